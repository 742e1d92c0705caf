"""What was forgotten cannot be read in the database's files any more: not in rows, freed pages, or the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from daemon.checkpoint.catalogue import Catalogue
from daemon.events import ExperienceForgotten, ExperiencePushed
from daemon.store.store import Store
from daemon.supervisor.clock import SystemClock
from daemon.supervisor.erased_text import ErasedText
from daemon.supervisor.live_run import LiveRun
from daemon.supervisor.publishing import Publisher
from daemon.supervisor.run_checkpoints import RunCheckpoints
from daemon.supervisor.run_registry import RunRegistry
from daemon.supervisor.run_rows import RunRows
from tests.unit.daemon.supervisor.stage import News

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "the safe opens at 4711"
FORGOTTEN = ExperienceForgotten(
    step=9, what="a text of 22 bytes", receipt=3, sha256="ab", rows=1, row_bytes=22, memory_bytes=22,
    memory_contexts=5, memory_emptied=False, probe_rows=0, pushed_texts=1, first_step=2, checkpoint="continuous_1",
)  # fmt: skip


def holding(folder: Path, text: str) -> list[str]:
    """The files of a folder in which a text can be read."""
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


def test_no_file_of_the_database_holds_a_forgotten_sample(tmp_path: Path) -> None:
    with Store.open(tmp_path / "synapsed.db") as store:
        clock = SystemClock()
        publisher, rows = Publisher(store, clock), RunRows(store, monotonic=clock.monotonic)
        runs = RunRegistry(rows, publisher, RunCheckpoints(store, Catalogue(tmp_path)).holds, clock)
        publisher.followers.append(ErasedText(runs.show, store).follow)
        news = News()
        publisher.audiences.add(news, "test")
        run = LiveRun(id="r-1", name="r-1", config={}, created_at=datetime.now(UTC))
        rows.create(run)
        for number in range(3):  # in older pages of the log, too
            run.sample = f"{SECRET} {number}"
            rows.save(run)
            assert store.flush()
        publisher.publish(run, ExperiencePushed(step=2, num_bytes=22, origin="api"))
        assert "synapsed.db-wal" in holding(tmp_path, SECRET)
        publisher.publish(run, FORGOTTEN)
        assert store.flush()
        assert run.sample is None
        assert [(one["id"], one["sample"]) for one in news.runs] == [("r-1", None)]
        assert holding(tmp_path, SECRET) == []
        row = store.run("r-1")
        assert row is not None
        assert row["sample"] is None
