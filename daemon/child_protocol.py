"""Messages between the supervisor and any child: an order, then both ways over one duplex pipe, then a goodbye.

A child is spawned with its order and one end of the pipe. Whatever it sends is its heartbeat. A closed pipe means that
the other side is gone: a child that reads it saves what it can and exits. Each kind of child has orders, messages and
a goodbye of its own (the trainer's are in daemon.trainer_protocol); here is what they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

CRASHED = "crashed"


@dataclass(frozen=True, kw_only=True)
class ChildOrder:
    """All a child needs to begin.

    Attributes:
        session: number of this life among those that work on the same thing, from 1.
    """

    session: int

    @property
    def subject(self) -> str:
        """Id of what it works on: a run, a task."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ChildReady:
    """The child has loaded what it needs; from here on it is expected to send something often."""


@dataclass(frozen=True, kw_only=True)
class ChildGoodbye:
    """A child's last message.

    Attributes:
        state: what its work is in now; `crashed` counts as a death.
        error: one line, when crashed, or when something was lost at the end.
        restartable: False for a mistake of the user's, where a restart cannot help.
    """

    state: str
    error: str | None = None
    restartable: bool = True

    @property
    def final(self) -> bool:
        """No further child is started: the work ended well, or a restart cannot help."""
        return self.state != CRASHED or not self.restartable
