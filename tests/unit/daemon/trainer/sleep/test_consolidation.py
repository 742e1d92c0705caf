"""What a sleep carries over: what memory saves most of, replayed in turn, measured by the network alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from brain.memory.replay_records import ReplayRows
from brain.sleep.carry_over import CarryOver
from brain.sleep.config import SleepConfig
from daemon.interrupting import Interrupted
from daemon.trainer.sleep.consolidation import CarryingOver

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

ITEMS = 40


def rows_at(slots: NDArray[np.int64]) -> ReplayRows:
    """Item i is one byte i; even ones are not remembered."""
    count = len(slots)
    return ReplayRows(
        bytes=slots.astype(np.uint8)[:, None],
        length=np.ones(count, np.int64),
        source=np.zeros(count, np.int64),
        offset=slots.copy(),
        index=slots,
        loss=np.zeros(count, np.float32),
        step=np.zeros(count, np.int64),
    )


class FakeReplay:
    """Items 0 … ITEMS - 1; a draw gives item 0."""

    def __init__(self, items: int = ITEMS) -> None:
        self._items = items

    def __len__(self) -> int:
        return self._items

    def at(self, slots: NDArray[np.int64]) -> ReplayRows:
        assert (slots < self._items).all()
        return rows_at(slots)

    def sample(self, n: int) -> ReplayRows:
        return rows_at(np.zeros(n, np.int64))


class FakeBrain:
    """Item i costs i nats, or none of them with memory if it is odd; `learned` comes off the network's."""

    remembers = True
    learned = 0.0

    def score(self, rows: torch.Tensor, _mask: torch.Tensor) -> torch.Tensor:
        return rows[:, 0].double() - self.learned

    def score_both(self, rows: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alone = self.score(rows, mask)
        return alone, alone * (1 - rows[:, 0] % 2)

    def score_remembering(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.score_both(rows, mask)[1]


def carrying(
    brain: Any = None, replay: Any = None, progressed: Any = lambda: None, **settings: Any
) -> CarryingOver:
    parts: dict[str, Any] = {
        "brain": brain or FakeBrain(),
        "replay": replay or FakeReplay(),
        "clock": SimpleNamespace(step=7),
        "life": SimpleNamespace(progressed=progressed),
    }
    return CarryingOver(SleepConfig(**settings), **parts)


def test_items_that_memory_saves_most_of_are_chosen_and_the_choice_follows_the_step() -> None:
    found = carrying().choose(steps=40, rows=2)
    assert found is not None
    assert len(found) == 20  # each twice in forty steps of one row
    assert (found.slots % 2 == 1).all()
    assert (np.diff(found.network - found.both) <= 0).all()
    again = carrying().choose(steps=40, rows=2)
    assert again is not None
    assert again.slots.tolist() == found.slots.tolist()


@pytest.mark.parametrize("settings", [{"carried_share": 0.0}, {}], ids=["switched off", "no memory"])
def test_nothing_is_carried_over_without_a_memory_or_when_switched_off(settings: dict[str, Any]) -> None:
    brain = FakeBrain()
    brain.remembers = bool(settings)
    parts = carrying(brain, **settings)
    assert parts.choose(steps=10, rows=2) is None
    assert parts.replayed(None, 3, 4).index.tolist() == [0, 0, 0, 0]


def test_half_of_each_dream_is_carried_over_in_turn_and_each_item_twice() -> None:
    parts = carrying(carried_items=3)
    carried = parts.choose(steps=10, rows=4)
    assert carried is not None
    first, second, third = carried.slots.tolist()
    turns = [parts.replayed(carried, step, 4).index.tolist() for step in range(4)]
    assert turns == [[first, second, 0, 0], [third, first, 0, 0], [second, third, 0, 0], [0, 0, 0, 0]]


def test_what_was_forgotten_meanwhile_is_not_replayed() -> None:
    carried = CarryOver(
        slots=np.array([39, 3]), network=np.ones(2), both=np.zeros(2), num_bytes=np.ones(2, np.int64)
    )
    parts = carrying(replay=FakeReplay(items=10))
    assert parts.replayed(carried, 0, 4).index.tolist() == [3, 0, 0, 0]
    assert parts.costs(carried).tolist() == [1.0, 3.0]


def test_what_the_network_learned_is_a_share_of_the_gap() -> None:
    brain = FakeBrain()
    parts = carrying(brain)
    carried = parts.choose(steps=10, rows=2)
    assert carried is not None
    brain.learned = 0.5
    expected = 0.5 * len(carried) / (carried.network - carried.both).sum()
    assert carried.share(parts.costs(carried)) == pytest.approx(expected)


def test_choosing_shows_signs_of_life_and_can_be_interrupted() -> None:
    def interrupted() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        carrying(progressed=interrupted).choose(steps=10, rows=2)


def test_it_survives_a_restart_exactly() -> None:
    found = carrying().choose(steps=10, rows=2)
    assert found is not None
    again = CarryOver.restored(found.state())
    assert again.state() == found.state()
    assert again.network.dtype == found.network.dtype
