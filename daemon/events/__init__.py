"""Facts: frozen, typed, in the past tense. Numbers are metrics, prose is logs; an event is neither.

A trainer emits them, the supervisor stores and streams them; `record` gives the one wire form of all.
"""

from daemon.events.audiences import AudienceDropped
from daemon.events.checkpoints import (
    CheckpointFailed,
    CheckpointPruned,
    CheckpointSaved,
    CheckpointSetAside,
    ModelNotWritten,
    ModelWritten,
)
from daemon.events.database import DatabaseHealed, DatabaseMissing, DatabaseStalled
from daemon.events.event import Event, Severity
from daemon.events.growth import BrainGrew, GrowthJudged
from daemon.events.jobs import JobFailed, JobFinished, JobMissed
from daemon.events.learning import (
    EvaluationFinished,
    LossCompared,
    NonFiniteStepSkipped,
    PhaseProven,
    RolledBack,
)
from daemon.events.reading import (
    DocumentSkipped,
    ExperienceForgotten,
    ExperiencePushed,
    LabelsBeyond,
    LabelsMissing,
    ListingContinued,
    PassFinished,
    SourceChanged,
    SourceOpened,
)
from daemon.events.runs import (
    DegradedChanged,
    LimitReached,
    OrderBroke,
    RunDeleted,
    RunResumed,
    SettingRestored,
    StateChanged,
    TrainerLost,
    TrainerSlow,
)
from daemon.events.sleep import CarriedOver, SleepBegan, SleepEnded, SleepRolledBack
from daemon.events.vitals import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    MeasurementFailed,
    MeasurementOutOfMemory,
    StopHinted,
    VitalSignRedefined,
)

__all__ = [
    "AlarmAcknowledged",
    "AlarmCleared",
    "AlarmRaised",
    "AudienceDropped",
    "BrainGrew",
    "CarriedOver",
    "CheckpointFailed",
    "CheckpointPruned",
    "CheckpointSaved",
    "CheckpointSetAside",
    "DatabaseHealed",
    "DatabaseMissing",
    "DatabaseStalled",
    "DegradedChanged",
    "DocumentSkipped",
    "EvaluationFinished",
    "Event",
    "ExperienceForgotten",
    "ExperiencePushed",
    "GrowthJudged",
    "JobFailed",
    "JobFinished",
    "JobMissed",
    "LabelsBeyond",
    "LabelsMissing",
    "LimitReached",
    "ListingContinued",
    "LossCompared",
    "MeasurementFailed",
    "MeasurementOutOfMemory",
    "ModelNotWritten",
    "ModelWritten",
    "NonFiniteStepSkipped",
    "OrderBroke",
    "PassFinished",
    "PhaseProven",
    "RolledBack",
    "RunDeleted",
    "RunResumed",
    "SettingRestored",
    "Severity",
    "SleepBegan",
    "SleepEnded",
    "SleepRolledBack",
    "SourceChanged",
    "SourceOpened",
    "StateChanged",
    "StopHinted",
    "TrainerLost",
    "TrainerSlow",
    "VitalSignRedefined",
]
