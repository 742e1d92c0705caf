"""A fact is stored, noted by those it concerns, then published."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from daemon.events import CheckpointPruned
from daemon.store.store import Store
from daemon.supervisor.clock import SystemClock
from daemon.supervisor.operations import Operation
from daemon.supervisor.publishing import Publisher
from tests.unit.daemon.supervisor.stage import News

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "synapsed.db") as opened:
        yield opened


def test_an_event_is_stored_then_followed_then_published(store: Store) -> None:
    publisher, news, seen = Publisher(store, SystemClock()), News(), []
    publisher.audiences.add(news, "test")
    publisher.followers.append(
        lambda run, record: seen.append((run, record["kind"], store.newest_seq, len(news.events)))
    )
    before = store.newest_seq
    publisher.publish(None, CheckpointPruned(checkpoint="continuous_1"))
    assert seen == [(None, "checkpoint_pruned", before + 1, 0)]
    [event] = news.events
    assert (event["seq"], event["run"], event["session"]) == (before + 1, None, None)
    store.flush()
    assert [kept["seq"] for kept in store.events().items] == [before + 1]


@pytest.mark.parametrize(("action", "kept"), [("pause", 1), ("generate", 0), ("growth", 0), ("remembers", 0)])
def test_a_question_is_no_history(store: Store, action: str, kept: int) -> None:
    publisher, news = Publisher(store, SystemClock()), News()
    publisher.audiences.add(news, "test")
    publisher.publish_operation(Operation(id="op-1", run="r-1", action=action, created_at=datetime.now(UTC)))
    store.flush()
    assert len(news.operations) == len(store.operations().items) == kept
