"""Text by hand: journaled once there is room for it, and only then; what is void takes effect as nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.tree import StreamConfig
from daemon.errors import StreamError
from daemon.journal import Journal
from daemon.streams.stream import ExperienceStream
from daemon.trainer.effects.effects import Effects
from daemon.trainer.state.journal_position import JournalPosition

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event


def effects(journal: Journal, position: JournalPosition, **parts: Any) -> Effects:
    """Effects at step 3 of which only these parts are there."""
    names = ("patient", "stream", "sleeping", "growing", "roll_back", "erasing", "save", "report")
    given: dict[str, Any] = {name: parts.get(name) for name in names}
    return Effects(position, journal, clock=SimpleNamespace(step=3), **given)


def test_what_is_refused_is_not_journaled(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("text")
    stream = ExperienceStream.open(
        StreamConfig(data=(str(tmp_path / "t"),)), lanes=2, seed=0, cache=tmp_path / "c", emit=lambda _: None
    )
    journal, position = Journal(tmp_path / "r"), JournalPosition()
    events: list[Event] = []
    ours = effects(journal, position, stream=stream, report=SimpleNamespace(event=events.append))
    entry = ours.feed("short", "test")
    assert (journal.entries, position.journal_sequence, len(events)) == ((entry,), entry.sequence, 1)
    with pytest.raises(StreamError, match="at most 16 MiB"):
        ours.feed("x" * ((16 << 20) + 1), "test")
    assert (journal.entries, position.journal_sequence, len(events)) == ((entry,), entry.sequence, 1)


def test_a_void_entry_takes_effect_as_nothing(tmp_path: Path) -> None:
    journal, position = Journal(tmp_path), JournalPosition()
    empty = journal.void(journal.append("grow", 7, {"site": "x"}))
    effects(journal, position).apply(empty)
    assert position.journal_sequence == empty.sequence
