"""Settings of the vital signs, where each registers its name; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, ClassVar

from brain.nearest_name import did_you_mean
from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, COUNT, COUNT_OR_ZERO, SHARE, SIZE, WINDOW
from brain.vitals.sign_registry import vitals


@vitals.register("phi", builds="brain.vitals.signs.phi:PhiSign")
@dataclass(frozen=True, kw_only=True)
class PhiConfig:
    """How much a known nudge to one half of the brain changes the other half, beyond what each does alone.

    Attributes:
        nudge: α, injected noise in units of each component's natural standard deviation.
        half_life_ticks: ticks after which a measurement's weight has halved.
        control_every_ticks: ticks between two measurements of a control, disconnected and untrained in turn; 0: none.
    """

    label: ClassVar[str] = "Φ"
    band: ClassVar[tuple[float, float]] = (0.4, 0.8)

    nudge: Annotated[float, AMOUNT] = 0.3
    half_life_ticks: Annotated[float, AMOUNT] = 8.0
    control_every_ticks: Annotated[int, COUNT_OR_ZERO] = 8


@vitals.register("agency", builds="brain.vitals.signs.agency:AgencySign")
@dataclass(frozen=True, kw_only=True)
class AgencyConfig:
    """How well the brain recognises its own acts by their effect on it.

    Attributes:
        window_choices: how many of the newest randomised choices count.
        warm_up_choices: randomised choices needed before agency is shown.
        choices_per_tick: how many of the newest outcomes of randomised choices the brain reads at a tick.
        rows_after: rows of the lane read after a choice that count as its outcome.
        bytes_after: bytes of these rows that the brain reads.
        actions: counterfactual bytes of a closed-loop probe.
        next_bytes: bytes that the brain then generates after each.
        contexts: how many of the newest contexts count.
        contexts_per_tick: new contexts probed at a tick; only one in a brain that acts, where this is a side value.
        context_bytes: bytes of experience before each counterfactual byte.
        control_every_ticks: ticks between two measurements of an untrained twin on the same acts; 0: none.
    """

    label: ClassVar[str] = "Agency"
    band: ClassVar[tuple[float, float]] = (0.6, 0.9)

    window_choices: Annotated[int, WINDOW] = 1024
    warm_up_choices: Annotated[int, COUNT_OR_ZERO] = 100
    choices_per_tick: Annotated[int, SIZE] = 16
    rows_after: Annotated[int, SIZE] = 4
    bytes_after: Annotated[int, SIZE] = 128
    actions: Annotated[int, SIZE] = 8
    next_bytes: Annotated[int, SIZE] = 4
    contexts: Annotated[int, SIZE] = 32
    contexts_per_tick: Annotated[int, SIZE] = 4
    context_bytes: Annotated[int, SIZE] = 32
    control_every_ticks: Annotated[int, COUNT_OR_ZERO] = 8


@vitals.register("integration", builds="brain.vitals.signs.integration:IntegrationSign")
@dataclass(frozen=True, kw_only=True)
class IntegrationConfig:
    """How much of what the modules do is shared, whether or not wires carry it (effective dependence).

    Attributes:
        window_states: how many of the newest states count.
    """

    label: ClassVar[str] = "Integration"
    band: ClassVar[tuple[float, float]] = (0.5, 0.9)

    window_states: Annotated[int, WINDOW] = 4096


@vitals.register("confidence", builds="brain.vitals.signs.confidence:ConfidenceSign")
@dataclass(frozen=True, kw_only=True)
class ConfidenceConfig:
    """Whether the brain is surer when it is right than when it is wrong (type-2 AUROC).

    Attributes:
        window_predictions: how many of the newest predictions count, each scored before it was learned from.
        warm_up_predictions: predictions needed before a value is shown.
    """

    label: ClassVar[str] = "Confidence"
    band: ClassVar[tuple[float, float]] = (0.5, 0.9)

    window_predictions: Annotated[int, WINDOW] = 4096
    warm_up_predictions: Annotated[int, COUNT_OR_ZERO] = 512


@vitals.register("reliance", builds="brain.vitals.signs.reliance:RelianceSign")
@dataclass(frozen=True, kw_only=True)
class RelianceConfig:
    """How much of the evidence for the brain's predictions comes from its exact memory, not from its network.

    Attributes:
        window_rows: how many of the newest rows of text count, each predicted before it was learned from.
    """

    label: ClassVar[str] = "Reliance on memory"
    band: ClassVar[tuple[float, float]] = (0.0, 0.9)

    window_rows: Annotated[int, WINDOW] = 512


@vitals.register(
    "self_prediction_error", builds="brain.vitals.signs.self_prediction_error:SelfPredictionErrorSign"
)
@dataclass(frozen=True, kw_only=True)
class SelfPredictionErrorConfig:
    """How much of its next internal state the brain fails to foresee (fraction of variance unexplained).

    Attributes:
        window_states: how many of the newest states count, each predicted before it was learned from.
        states_per_step: most states kept from a step, evenly spread.
    """

    label: ClassVar[str] = "Self-prediction error"
    band: ClassVar[tuple[float, float]] = (0.0, 0.5)

    window_states: Annotated[int, WINDOW] = 2048
    states_per_step: Annotated[int, SIZE] = 256


@vitals.register("dormant_share", builds="brain.vitals.signs.dormant_share:DormantShareSign")
@dataclass(frozen=True, kw_only=True)
class DormantShareConfig:
    """Share of hidden units with hardly any activity: the first sign of a loss of plasticity.

    Attributes:
        threshold: a unit is dormant if its activity is at most this share of its layer's mean.
    """

    label: ClassVar[str] = "Dormant share"
    band: ClassVar[tuple[float, float]] = (0.0, 0.1)

    threshold: Annotated[float, AMOUNT_OR_ZERO] = 0.025


@vitals.register("effective_rank", builds="brain.vitals.signs.effective_rank:EffectiveRankSign")
@dataclass(frozen=True, kw_only=True)
class EffectiveRankConfig:
    """How many directions the hidden units use, as a share of their number: few without plasticity.

    Attributes:
        sites_per_tick: sites measured at a tick, in turn; the others keep their last value.
    """

    label: ClassVar[str] = "Effective rank"
    band: ClassVar[tuple[float, float]] = (0.1, 0.9)

    sites_per_tick: Annotated[int, COUNT] = 1


@vitals.register("weight_norm", builds="brain.vitals.signs.weight_norm:WeightNormSign")
@dataclass(frozen=True, kw_only=True)
class WeightNormConfig:
    """Root mean square of the weights into and out of the hidden units: rises as plasticity is lost."""

    label: ClassVar[str] = "Weight norm"
    band: ClassVar[tuple[float, float]] = (0.0, 0.5)


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """How the modules of a brain are watched.

    Attributes:
        rows: rows of recent experience read at a tick.
        length: bytes of each.
        modules: how many modules to watch; the architecture's are joined, in order, to this many.
        components: leading principal components of each module.
        refresh_every_seconds: seconds of training after which the components are computed anew; growth does so, too.
        refresh_below: so does a fall of the variance they keep below this share of what they kept at first: a young
            brain soon leaves its first directions.
    """

    rows: Annotated[int, SIZE] = 16
    length: Annotated[int, SIZE] = 48
    modules: Annotated[int, SIZE] = 8
    components: Annotated[int, SIZE] = 4
    refresh_every_seconds: Annotated[float, AMOUNT_OR_ZERO] = 300.0
    refresh_below: Annotated[float, SHARE] = 0.5


@dataclass(frozen=True, kw_only=True)
class VitalsConfig:
    """How often vital signs are measured and what they may cost.

    A tick every `every_steps` steps, stretched by the governor so that probes stay within `budget_share` of
    the time. `bands` overrides the healthy band of a vital sign by name; bands are a project convention.
    """

    enabled: bool = True
    every_steps: Annotated[int, COUNT] = 50
    budget_share: Annotated[float, SHARE] = 0.01
    bands: Annotated[dict[str, tuple[float, float]], SHARE] = field(default_factory=dict)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    phi: PhiConfig = field(default_factory=PhiConfig)
    agency: AgencyConfig = field(default_factory=AgencyConfig)
    integration: IntegrationConfig = field(default_factory=IntegrationConfig)
    confidence: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    self_prediction_error: SelfPredictionErrorConfig = field(default_factory=SelfPredictionErrorConfig)
    reliance: RelianceConfig = field(default_factory=RelianceConfig)
    dormant_share: DormantShareConfig = field(default_factory=DormantShareConfig)
    effective_rank: EffectiveRankConfig = field(default_factory=EffectiveRankConfig)
    weight_norm: WeightNormConfig = field(default_factory=WeightNormConfig)

    def __post_init__(self) -> None:
        """Refuse a band of nothing, or one upside down.

        Raises:
            ValueError: naming the band.
        """
        signs = sorted(
            {one.name for one in fields(self) if is_dataclass(getattr(self, one.name))} - {"probe"}
        )
        for name, (low, high) in self.bands.items():
            if name not in signs:
                hint = did_you_mean(name, signs, otherwise=f"there are {', '.join(signs)}")
                raise ValueError(f"vitals.bands.{name}: there is no such vital sign{hint}")
            if low > high:
                raise ValueError(f"vitals.bands.{name} = [{low:g}, {high:g}]: the lower edge comes first")
