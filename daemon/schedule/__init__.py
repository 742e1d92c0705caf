"""What a person would put in a diary, run by APScheduler."""

from daemon.schedule.diary import Diary, JobOutcome
from daemon.schedule.ports import Notebook, ScheduledWork

__all__ = ["Diary", "JobOutcome", "Notebook", "ScheduledWork"]
