"""Asleep: steps that came to nothing are counted in a row; what is kept of a sleep reads as it was stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from brain.ports import StepReport
from brain.sleep.config import SleepConfig
from daemon.events import SleepRolledBack
from daemon.trainer.sleep.dreaming import Dreaming
from daemon.trainer.state.sleep_state import SleepInProgress, SleepState

if TYPE_CHECKING:
    from daemon.events import NonFiniteStepSkipped


class FakeBrain:
    """Dreams with these outcomes, one after another."""

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


class FakeReplay:
    """Two rows, always the same."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return 2

    def sample(self, _: int) -> Any:
        return self.rows

    def update(self, *_: object) -> None:
        pass


def test_dreams_that_came_to_nothing_are_counted_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[NonFiniteStepSkipped] = []
    replayed = SimpleNamespace(index=np.arange(2))
    monkeypatch.setattr("daemon.trainer.sleep.dreaming.replayed_batch", lambda *_: None)
    parts: dict[str, Any] = {
        "brain": FakeBrain(False, False, True, False),
        "replay": FakeReplay(replayed),
        "report": SimpleNamespace(event=events.append),
        "clock": SimpleNamespace(step=7),
        **dict.fromkeys(("probes", "forgetting", "life")),
        "step_log": SimpleNamespace(finish=lambda *_, **__: None),
    }
    dreaming = Dreaming(
        SleepState(current=SleepInProgress(steps=10, scored=True)),
        SleepConfig(),
        rows=2,
        device=torch.device("cpu"),
        **parts,
    )
    for _ in range(4):
        dreaming.dream()
    assert [event.in_a_row for event in events] == [1, 2, 1]


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"woke": 7, "forgetting": 0.25},
        {"woke": 7, "steps": 5, "done": 0, "reason": "by hand", "counters": {"step": 7}},
        {"woke": 7, "steps": 5, "done": 3, "reason": "by hand", "counters": {}, "before": None, "skips": 1},
        {"steps": 5, "done": 5, "reason": "", "counters": {}, "before": 2.5, "skips": 0, "undone": True},
    ],
)
def test_what_older_checkpoints_kept_of_a_sleep_continues(kept: dict[str, Any]) -> None:
    state = SleepState.restored({"sleep": kept}, {})
    assert state.asleep is ("steps" in kept)
    again = state.state()["sleep"]
    assert {name: again[name] for name in kept} == kept
    assert ("before" in again) is ("before" in kept)
    assert SleepState.restored({"sleep": again}, {}) == state


def test_an_undone_sleep_is_reported_where_the_loss_was_zero() -> None:
    undone = SleepRolledBack(step=7, before=0.0, after=0.25, tolerance=0.01)
    assert undone.message == "[Sleep] Undone: probe loss 0.0000 → 0.2500 BPC (sleep.tolerance is 1 %)"


def test_what_sleep_leaves_as_it_is_is_not_held_for_its_undoing() -> None:
    held = {"model|w": torch.ones(1), "learning|w|step": torch.ones(1)}
    awake = {"learning|carried|x": torch.ones(1), "learning|hippocampus|past": torch.ones(1)}
    assert SleepState.restored({"sleep": {"steps": 5}}, held | awake).tensors.keys() == held.keys()
