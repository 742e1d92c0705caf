"""Where experience comes from: sources, lanes, mixes and the hold-out."""

from daemon.streams.cursor import Cursor
from daemon.streams.experience import Experience
from daemon.streams.holdout import HeldOutSet
from daemon.streams.sources import SourceInfo, check_data
from daemon.streams.stream import ExperienceStream

__all__ = [
    "Cursor",
    "Experience",
    "ExperienceStream",
    "HeldOutSet",
    "SourceInfo",
    "check_data",
]
