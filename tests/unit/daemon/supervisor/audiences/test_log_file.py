"""Logs that cannot be written, and what is written into them."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

import pytest

from daemon.supervisor.audiences.backlog import MAX_FRAMES
from daemon.supervisor.audiences.log_file import LogFile, ThreadedHandler, problems_logged
from daemon.supervisor.audiences.training_log import TrainingLog
from daemon.supervisor.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path


def event(message: str) -> dict[str, str]:
    return {"message": message, "severity": "info"}


def test_control_characters_of_messages_are_shown(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "training.log", SystemClock())
    log.on_event(event("red \x1b[31m\nSecond line \x9b2J \udcff"))
    log.on_operation({"state": "failed", "action": "feed", "error": "\x07 bell"})
    log.close()
    first, second = (tmp_path / "training.log").read_text(encoding="utf-8").splitlines()
    assert first.endswith(r"red \x1b[31m\nSecond line \x9b2J \xff")
    assert second.endswith(r"feed failed: \x07 bell")


def test_a_status_line_dates_what_was_measured_long_ago_and_shows_the_mean_loss(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "training.log", SystemClock())
    latest = {"phi": 0.152, "agency": 0.7, "recent_bpc": 2.5}
    log.on_run({"id": "r-1", "latest": latest, "latest_steps": {"phi": 1_288, "agency": 3_500}})
    columns = {"step": [3_521], "bpc": [3.9]}
    delta = {
        "run": "r-1",
        "step": 3_521,
        "training_seconds": 60.0,
        "points": [],
        "readings": [],
        "columns": columns,
    }
    log.on_delta(delta)
    log.close()
    line = (tmp_path / "training.log").read_text(encoding="utf-8").strip()
    assert line.endswith("Step    3521 | Φ=0.152 (step 1,288) | Agency=0.700 | BPC=2.50 | Time: 1m 0s")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_neither_fails_nor_ends_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "training.log").symlink_to("/dev/full")
    log = TrainingLog(tmp_path / "training.log", SystemClock())
    for number in range(1000):
        log.on_event(event(f"line {number}"))
    log.close()
    with problems_logged(tmp_path / "training.log"):
        logging.getLogger("anybody").warning("lost")


def test_lost_lines_are_counted_in_the_first_one_behind_them(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "logs" / "a.log")
    log = logging.Logger("lost", logging.INFO)  # noqa: LOG001
    log.addHandler(file)
    log.warning("there is no folder")
    log.warning("still none")
    (tmp_path / "logs").mkdir()
    log.warning("now there is")
    file.close()
    kept, loss = (tmp_path / "logs" / "a.log").read_text(encoding="utf-8").splitlines()
    assert kept == "now there is"
    assert loss.startswith("2 lines before this one are lost")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_log_that_takes_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """A named pipe without a reader: opening it waits forever, as a disk that does not answer."""
    path = tmp_path / "problems.log"
    os.mkfifo(path)
    done = threading.Event()

    def warn() -> None:
        with problems_logged(path):
            for _ in range(5000):
                logging.getLogger("daemon.test").warning("nobody reads this")
        done.set()

    threading.Thread(target=warn, daemon=True).start()
    assert done.wait(20.0)
    reading = os.open(path, os.O_RDONLY)  # lets its thread go
    for thread in threading.enumerate():
        if thread.name == "problems log":
            thread.join(20.0)
    os.close(reading)


def test_every_warning_of_the_process_is_in_the_log(tmp_path: Path) -> None:
    with problems_logged(tmp_path / "problems.log"):
        logging.getLogger("some.library").warning("mind \x1b[1m this")
    text = (tmp_path / "problems.log").read_text(encoding="utf-8")
    assert text.endswith("WARNING some.library: mind \\x1b[1m this\n")


def test_what_found_no_room_is_counted_in_the_log(tmp_path: Path) -> None:
    gate, entered = threading.Event(), threading.Event()

    class Slow(LogFile):
        def emit(self, record: logging.LogRecord) -> None:
            entered.set()
            assert gate.wait(20.0)
            super().emit(record)

    handler = ThreadedHandler(Slow(tmp_path / "problems.log"))
    log = logging.Logger("busy", logging.INFO)  # noqa: LOG001
    log.addHandler(handler)
    log.warning("the first")
    assert entered.wait(20.0)
    for number in range(MAX_FRAMES + 7):
        log.warning("line %d", number)
    gate.set()
    handler._delivery.close(20.0)
    lines = (tmp_path / "problems.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == MAX_FRAMES + 2
    assert lines[-1] == "7 lines are missing here: the disk did not take them in time"
