"""How much of the journal has taken effect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from daemon.journal import Entry


@dataclass(kw_only=True)
class JournalPosition(Stored):
    """Where the run stands in its journal.

    Attributes:
        journal_sequence: last entry that has taken effect.
        pending: journaled before a crash, to take effect again at their steps; from the journal itself.
    """

    journal_sequence: int = 0
    pending: list[Entry] = field(default_factory=list, init=False)
