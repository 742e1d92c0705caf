"""How fast a brain is, as quantize measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from daemon.trainer.offline import quantising

if TYPE_CHECKING:
    import pytest
    import torch

    from brain.ports import Brain

COMPILING = 100.0  # seconds of the first call of each kind


class Clock:
    """CPU time that passes only by what a brain does."""

    now = 0.0

    def process_time(self) -> float:
        return self.now


class ColdBrain:
    """Each of its calls takes a second, but the first compiles and another is held up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls = {"score": 0, "reader": 0}

    def pack(self) -> None:
        pass

    def score(self, row: torch.Tensor, mask: torch.Tensor) -> None:
        self._spend("score")

    def reader(self, rows: int) -> None:
        self._spend("reader")

    def _spend(self, kind: str) -> None:
        self._calls[kind] += 1
        self._clock.now += {1: COMPILING, 3: 5.0}.get(self._calls[kind], 1.0)


def test_speeds_are_medians_once_the_loops_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(quantising, "time", clock)
    monkeypatch.setattr(quantising, "Packable", ColdBrain)
    monkeypatch.setattr(quantising, "continue_bytes", _nothing)
    measured = quantising._measured(cast("Brain", ColdBrain(clock)), None)
    assert measured == {
        "bpc": None,
        "read_bytes_per_cpu_second": quantising.READ_BYTES,
        "written_bytes_per_cpu_second": quantising.WRITTEN_BYTES,
    }


def _nothing(*_: Any, **__: Any) -> tuple[bytes, ...]:
    return ()
