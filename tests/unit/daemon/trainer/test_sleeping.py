"""Asleep: how often in a row a dream came to nothing is told, and learned from the first that does not."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from brain.ports import StepReport
from brain.sleep.config import SleepConfig
from daemon.trainer.sleeping import Sleeping

if TYPE_CHECKING:
    import pytest

    from daemon.events import NonFiniteStepSkipped
    from daemon.trainer.loop import Loop


class FakeBrain:
    """Dreams as told, one outcome after another."""

    has_slow_weights = True

    def __init__(self, *applied: bool) -> None:
        self._applied = list(applied)

    def dream(self, _batch: object, *, rate_factor: float) -> StepReport:
        loss = torch.ones(2)
        return StepReport(
            loss=1.0,
            replay_loss=1.0,
            num_bytes=8,
            row_loss=loss,
            grad_norm=1.0,
            learning_rate=rate_factor,
            applied=self._applied.pop(0),
        )

    def stable_weights(self) -> Any:
        raise NotImplementedError


def test_dreams_that_came_to_nothing_are_counted_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[NonFiniteStepSkipped] = []
    replayed = SimpleNamespace(index=np.arange(2))
    monkeypatch.setattr("daemon.trainer.sleeping.replayed_batch", lambda *_: None)
    parts = SimpleNamespace(
        brain=FakeBrain(False, False, True, False),
        config=SimpleNamespace(stream=SimpleNamespace(rows=2)),
        device=torch.device("cpu"),
        replay=SimpleNamespace(sample=lambda _: replayed, update=lambda *_: None),
        reporter=SimpleNamespace(event=events.append),
        state=SimpleNamespace(sleep={"steps": 10, "done": 0, "before": math.nan}),
    )
    loop = cast("Loop", SimpleNamespace(parts=parts, step=7, count=lambda *_: None))
    sleeping = Sleeping(SleepConfig())
    for _ in range(4):
        sleeping.dream(loop)
    assert [event.in_a_row for event in events] == [1, 2, 1]
