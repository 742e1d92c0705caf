"""What grows in a home stays within its bound, also while something learns."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.keep import KeepConfig
from daemon.schedule.jobs.backup import delete_old
from daemon.streams import decoding
from daemon.streams.decoding import DecodedCache
from daemon.streams.encodings import classify
from daemon.supervisor.audiences.training_log import TrainingLog
from daemon.supervisor.children.child_process import last_line
from daemon.supervisor.clock import SystemClock
from daemon.system.child_logs import cut
from daemon.trainer_protocol import RunState
from tests.faults.test_deleting import make, save
from tests.unit.daemon.supervisor.stage import staged, start_request, tidier_at

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.anyio]

DAY = 24 * 3600.0
LIMIT = 10_000
# A mark of a process that never was.
DEAD = "999999999_1"


def size_of(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def decode(cache: DecodedCache, path: Path) -> Path:
    found = path.stat()
    verdict = classify(path.read_bytes())
    return cache.get(path, found.st_size, found.st_mtime_ns, verdict).path


@pytest.mark.fault(
    "Growth without bound",
    tried="a run decodes ten times as many documents as the cache may hold",
    happens="those unread for longest are deleted while it learns, and decoded again when needed",
)
def test_the_cache_keeps_its_bound_while_it_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "IN_USE_SECONDS", -1.0)
    cache = DecodedCache(tmp_path / "cache", room_bytes=10_000)
    documents = [tmp_path / f"{number}.txt.gz" for number in range(20)]
    for number, path in enumerate(documents):
        path.write_bytes(gzip.compress(f"{number:05d}".encode() * 1000))
        assert decode(cache, path).read_bytes() == f"{number:05d}".encode() * 1000
        assert size_of(tmp_path / "cache") <= 10_000
    assert decode(cache, documents[0]).read_bytes() == b"00000" * 1000


@pytest.mark.fault(
    "Growth without bound",
    tried="a cache over its bound, documents unread for weeks, partial files of killed processes, while a run learns",
    happens="the next clean-up brings it within the bound; what is in use stays",
)
async def test_the_cache_is_tidied_while_a_run_learns(home: Home) -> None:
    (home.root / "keep.toml").write_text(f"cache_gib = {10_000 / 1024**3}\ncache_days = 30\n")
    now = time.time()
    for number in range(10):
        path = home.cache / f"{number}.txt"
        path.write_bytes(b"x" * 4000)
        os.utime(path, (now - number, now - number))
    (home.cache / f"half.{2**22 + 1}.partial").write_bytes(b"x" * 4000)
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)
        await supervisor.tidier.tidy()
        assert sorted(path.name for path in home.cache.iterdir()) == ["0.txt", "1.txt"]
        await tidier_at(supervisor, lambda: now + 31 * DAY).tidy()
        assert list(home.cache.iterdir()) == []


@pytest.mark.fault(
    "Growth without bound",
    tried="trainers are killed in the middle of saving; a checkpoint was set aside as damaged",
    happens="their partial files are deleted as soon as a trainer is lost; damaged checkpoints stay",
)
async def test_what_killed_trainers_left_is_swept(home: Home) -> None:
    left = [f".saving-continuous_1.{DEAD}.abcd", f".trash-continuous_2.{DEAD}.abcd"]
    for name in (*left, "damaged-continuous_3"):
        (home.checkpoints / name).mkdir()
        (home.checkpoints / name / "model.safetensors").write_bytes(b"x" * 1000)
    async with staged(home) as (supervisor, _):
        tidier = supervisor.tidier
        tidier.on_event({"kind": "trainer_lost"})
        await tidier.settled()
    assert [path.name for path in home.checkpoints.iterdir()] == ["damaged-continuous_3"]


@pytest.mark.fault(
    "Growth without bound",
    tried="memories of runs without a checkpoint, beside those that checkpoints and forks replay",
    happens="after a week they are deleted; what any run replays, or is learning from, stays",
)
async def test_memories_that_nobody_replays_go(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        alive = await supervisor.admission.start(start_request())
        await news.until(lambda: alive.state is RunState.RUNNING)
        (home.replay / alive.id).mkdir(exist_ok=True)
        make(supervisor, "r-kept")
        save(home, "r-fork", 3, segments={"r-forked": [0, 5]})
        for run in ("r-orphan", "r-forked"):
            (home.replay / run).mkdir(exist_ok=True)
            for number in (1, 2):
                (home.replay / run / f"seg-{number:06d}.bin").write_bytes(b"memory")
            (home.replay / run / "journal-000000000001.jsonl").write_bytes(b"")
        tidier = supervisor.tidier
        await tidier.tidy()
        assert (home.replay / "r-orphan").is_dir()  # it is not a week yet
        await tidier_at(supervisor, lambda: time.time() + 8 * DAY).tidy()
        there = {path.name for path in home.replay.iterdir()}
        assert "r-orphan" not in there
        assert there >= {"r-kept", "r-forked", alive.id}
        segments = sorted(path.name for path in (home.replay / "r-forked").glob("seg-*"))
        assert segments == ["seg-000000.bin", "seg-000005.bin"]


@pytest.mark.fault(
    "Growth without bound",
    tried="the folder of checkpoints is suddenly empty, as when its disk is not mounted",
    happens="no memory is deleted",
)
async def test_memories_outlive_a_disk_that_is_not_there(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        make(supervisor, "r-1")
        for name in [info.name for info in supervisor.checkpoints.catalogue.list()]:
            supervisor.store.put_checkpoint(name, run="r-1")
        supervisor.store.flush()
        home.checkpoints.rename(home.root / "elsewhere")
        await tidier_at(supervisor, lambda: time.time() + 100 * DAY).tidy()
        assert len(list((home.replay / "r-1").glob("seg-*"))) == 2


CHATTERBOX = """
import sys
for line in sys.stdin:
    print("x" * 999, flush=True)
    sys.stderr.write("done\\n"); sys.stderr.flush()
"""


@pytest.mark.fault(
    "Growth without bound",
    tried="a child writes a hundred times the bound to a log that it was given as its output",
    happens="the log is cut in place, older lines go to its parts, and the child keeps writing without a hole",
)
async def test_a_log_that_a_child_writes_is_cut_in_place(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-c", CHATTERBOX],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert child.stdin is not None
    assert child.stderr is not None
    for _ in range(1000):
        child.stdin.write("more\n")
        child.stdin.flush()
        child.stderr.readline()
        cut(log, limit_bytes=LIMIT, parts=2)
        assert size_of(tmp_path) <= 3 * LIMIT + 1000
    child.stdin.write("more\n")
    child.communicate()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert log.read_bytes().startswith(b"x" * 999 + b"\n")
    assert last_line(log, 10**9) == "x" * 300  # a life that began before the cut has its last line still


@pytest.mark.fault(
    "Growth without bound",
    tried="the daemon's own two logs, written far beyond their bound",
    happens="they rotate within it",
)
async def test_the_daemons_own_logs_rotate(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "training.log", SystemClock(), limit_bytes=LIMIT, kept_files=2)
    event: dict[str, Any] = {"severity": "info", "message": "x" * 200}
    for _ in range(500):
        log.on_event(event)
    log.close()
    assert LIMIT < size_of(tmp_path) <= 3 * LIMIT


@pytest.mark.fault(
    "Growth without bound",
    tried="more copies of the database than may be kept, by number and by bytes",
    happens="the oldest go; the newest stays, however large",
)
async def test_copies_of_the_database_keep_their_bounds(tmp_path: Path) -> None:
    def copies(*sizes: int) -> list[int]:
        for number, size in enumerate(sizes):
            (tmp_path / f"synapsed-2026010{number}-000000.db").write_bytes(b"x" * size)
        delete_old(tmp_path, KeepConfig(backups=3, backups_gib=1000 / 1024**3))
        left = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
        for path in tmp_path.iterdir():
            path.unlink()
        return left

    assert copies(1, 2, 3, 4, 5) == [3, 4, 5]
    assert copies(600, 500, 400) == [500, 400]
    assert copies(5, 2000) == [2000]


@pytest.mark.fault(
    "Growth without bound",
    tried="more rows of steps, values and history than the database may keep, over several runs",
    happens="the oldest go; curves are drawn from rollups, with every spike and every value in them",
)
async def test_rows_keep_their_bounds_and_curves_their_spikes(home: Home) -> None:
    (home.root / "keep.toml").write_text("metric_rows = 2000\nrollup_rows = 1000\nhistory_rows = 1000\n")
    async with staged(home) as (supervisor, _):
        store = supervisor.store
        for run in ("r-1", "r-2"):
            store.create_run(run, config={}, state="stopped")
            store.start_session(run, 1, first_step=1)
            for start in range(1, 10_001, 2000):
                steps = list(range(start, start + 2000))
                bpc = [99.0 if step == 1234 else 2.0 for step in steps]
                store.add_columns(
                    run, 1, {"step": steps, "time": [float(step) for step in steps], "bpc": bpc}
                )
                store.add_points(run, 1, [("phi", step, float(step), 0.5) for step in steps])
                store.flush()
        for number in range(1500):
            store.add_event({"kind": "noted", "message": str(number)}, run="r-1")
        outcome = await supervisor.chores.upkeep()
        assert "old rows deleted" in outcome
        with sqlite3.connect(home.root / "synapsed.db") as database:
            counts = [
                database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
                for table in ("metrics", "points", "events")
            ]
        assert max(counts[:2]) <= 2000
        assert counts[2] <= 1000
        for run in ("r-1", "r-2"):
            for points in (1, 10, 1000):
                curves = store.series(run, ["bpc", "phi"], points=points)["metrics"]  # type: ignore[index]
                assert max(curves["bpc"]["max"]) == 99.0
                assert sum(curves["bpc"]["n"]) == sum(curves["phi"]["n"]) == 10_000
