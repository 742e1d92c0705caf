"""What a brain cannot do, for a person: why, and which of its settings make one that can."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brain.ports import Brain

MEMORY_SETTING, USUAL_MEMORY_MIB = "hippocampus_mib", 128


def why_not_growable(brain: Brain) -> str:
    """For a person who asks a brain of fixed size to grow."""
    if not hasattr(brain, "state"):  # a null control, which is only watched
        return "the exact memory is left out here"
    spec = brain.state().spec
    size = spec.get("config", {}).get("hidden_size")
    larger = "larger settings of [brain]" if size is None else f"--set brain.hidden_size={2 * size} or more"
    return (
        f"a brain of kind {spec['kind']} cannot grow: its size is fixed when it is built; for a larger one start a "
        f"new run with {larger}"
    )


def why_no_memory(brain: Brain) -> str:
    """For a person who asks a brain without an exact memory what it remembers."""
    if not hasattr(brain, "state"):  # a null control, which is only watched
        return "the exact memory is left out here"
    spec = brain.state().spec
    size = spec.get("config", {}).get(MEMORY_SETTING)
    if size is None:
        return f"a brain of kind {spec['kind']} has no exact memory"
    return (
        f"this brain has no exact memory: brain.{MEMORY_SETTING} is 0; a run started with "
        f"--set brain.{MEMORY_SETTING}={USUAL_MEMORY_MIB} has one"
    )
