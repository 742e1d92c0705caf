"""Replay: what was experienced, kept on disk and drawn again."""

from brain.memory.commit import ReplayCommit, SegmentCommit
from brain.memory.policies.port import ReplayPolicy, SlotTable
from brain.memory.replay import ReplayMemory, ReplayRows
from brain.memory.segments import unreferenced

__all__ = [
    "ReplayCommit",
    "ReplayMemory",
    "ReplayPolicy",
    "ReplayRows",
    "SegmentCommit",
    "SlotTable",
    "unreferenced",
]
