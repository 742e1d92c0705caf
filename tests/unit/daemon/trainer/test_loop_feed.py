"""Text by hand: journaled once there is room for it, and only then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from daemon.config.tree import StreamConfig
from daemon.errors import StreamError
from daemon.journal import Entry, Journal
from daemon.streams.stream import ExperienceStream
from daemon.trainer.loop import Loop

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_refused_is_not_journaled(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("text")
    stream = ExperienceStream.open(
        StreamConfig(data=(str(tmp_path / "t"),)), lanes=2, seed=0, cache=tmp_path / "c", emit=lambda _: None
    )
    journal, applied = Journal(tmp_path / "r"), list[Entry]()
    parts = SimpleNamespace(stream=stream, journal=journal)
    loop = cast("Loop", SimpleNamespace(parts=parts, step=3, apply=applied.append))
    entry = Loop.feed(loop, "short", "test")
    assert (applied, journal.entries) == ([entry], (entry,))
    with pytest.raises(StreamError, match="at most 16 MiB"):
        Loop.feed(loop, "x" * ((16 << 20) + 1), "test")
    assert (applied, journal.entries) == ([entry], (entry,))
