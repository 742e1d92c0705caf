"""What judging a growth asks of a brain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from brain.ports import Brain, BrainState


@runtime_checkable
class Twinned(Protocol):
    """A brain that gives a copy of itself which learns beside it; a growth is judged against one."""

    def twin(self, state: BrainState | None = None) -> Brain:
        """A copy of the network and all that learns with it, or such a copy as it was stored.

        An exact memory is left out: the network does not learn from it. Nothing is shared with this brain, and the
        global random state stays as it is.

        Raises:
            SpecMismatchError: the stored state does not fit.
        """
