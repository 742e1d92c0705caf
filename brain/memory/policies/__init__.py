"""Replay policies, one file each: which slot an item takes, and which slots are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.registry import Registry

if TYPE_CHECKING:
    from brain.memory.policies.policy import ReplayPolicy

policies: Registry[ReplayPolicy] = Registry("replay policy", ("brain.memory.policies",))
