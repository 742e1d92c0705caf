"""Pace beside a busy program: the loop's own times, in pairs."""

from __future__ import annotations

import threading
from multiprocessing import Pipe

import pytest

from benchmarks import pace_under_load
from benchmarks.pace_under_load import WARM_UP_STEPS, Pair, busy_program, judge, learn_on


def test_the_figure_is_the_median_of_the_pairs() -> None:
    ours = [Pair(0.1, 0.2), Pair(0.1, 0.4), Pair(0.1, 0.25)]
    (found,) = judge(ours, [Pair(0.1, 1.0)], threads=2, load=0.25, long=False)
    assert found.ours == pytest.approx(0.4)
    assert found.peers == {"plain PyTorch loop": pytest.approx(0.1)}
    assert not found.holds
    assert found.details["note"].endswith("threads at its end: 2. Load of the machine before: 0.2.")


def test_the_loop_learns_until_it_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.trainer.process.settle_process", lambda: None)
    ours, theirs = Pipe()
    loop = threading.Thread(target=learn_on, args=(theirs, "tiny", {"threads": 1}))
    loop.start()
    assert ours.recv() == "warm"
    ours.send("end")
    ends, threads = ours.recv()
    loop.join()
    assert len(ends) >= WARM_UP_STEPS
    assert ends == sorted(ends)
    assert threads == 1


def test_the_busy_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_under_load, "SPIN", "import time; time.sleep(60)")
    with busy_program() as loops:
        assert loops
        assert [each.poll() for each in loops] == [None] * len(loops)
    assert all(each.returncode for each in loops)
