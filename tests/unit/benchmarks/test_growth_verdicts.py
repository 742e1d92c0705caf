"""Growth beside fixed sizes: the text is the same for all, gets harder where it should, and CPU seconds are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from benchmarks.growth_verdicts import (
    FEW,
    FIRST_NAME,
    HARDER,
    LENGTH,
    RATIO,
    ROWS,
    Languages,
    grown_to_the_limit,
    read,
    small,
)
from brain.ports import Batch, StepReport

if TYPE_CHECKING:
    from brain.ports import Brain


class Counting:
    """A brain that learns nothing, and counts what it reads."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def learn(self, batch: Batch) -> StepReport:
        self.batches.append(batch)
        return StepReport(
            loss=1.0,
            replay_loss=None,
            num_bytes=ROWS * LENGTH,
            row_loss=torch.ones(ROWS),
            grad_norm=0.0,
            learning_rate=0.0,
            applied=True,
        )

    def num_neurons(self) -> int:
        return 1


def test_all_learners_read_the_same_text_and_it_has_ever_more_languages() -> None:
    steps = 200
    one, other = Languages(HARDER, steps, 3), Languages(HARDER, steps, 3)
    names: list[set[int]] = [set() for _ in HARDER]
    for step in range(steps):
        batch = one.batch(step)
        assert torch.equal(batch.bytes, other.batch(step).bytes)
        names[step * len(HARDER) // steps] |= set((batch.bytes[:, 0] - FIRST_NAME).tolist())
    assert [max(found) for found in names] == [count - 1 for count in HARDER]


def test_what_a_step_leaves_over_of_the_seconds_goes_to_batches_read_before() -> None:
    brain = Counting()
    found = read(cast("Brain", brain), Languages((2,), 3, 0), 3, budget=[0.0, 0.002, 0.002])
    assert found.learned_again == len(brain.batches) - 3 > 0
    assert found.seconds[1] >= 0.002
    assert all(batch is brain.batches[0] for batch in brain.batches[2:-1])
    alone = read(cast("Brain", Counting()), Languages((2,), 3, 0), 3)
    assert (alone.learned_again, len(alone.bpc), alone.history) == (0, 3, [])


def test_the_largest_is_the_smallest_with_all_units_that_growth_may_give_it() -> None:
    assert {site.units for site in small(0).sites().values()} == {FEW}  # type: ignore[attr-defined]
    assert {site.units for site in grown_to_the_limit(0).sites().values()} == {FEW * RATIO}  # type: ignore[attr-defined]
