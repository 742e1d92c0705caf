"""After a step that was skipped, or a roll-back, no lane continues with a state of other text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from daemon.trainer.steps.batching import num_lanes
from tests.still_loop import StillLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from brain.ports import Batch
    from daemon.home import Home

ROWS, FRACTION = 8, 0.2
LANES = num_lanes(ROWS, FRACTION)


@pytest.fixture
def still(home: Home) -> Iterator[Callable[..., StillLoop]]:
    made: list[StillLoop] = []

    def make(**settings: Any) -> StillLoop:
        made.append(StillLoop(home, vitals__enabled=False, **settings))
        return made[-1]

    yield make
    for loop in made:
        loop.let_go()


def read_to_the_middle_of_a_stretch(loop: StillLoop) -> None:
    """So that the next rows follow on the last ones."""
    batch, _ = loop.watched_step()
    while bool(batch.reset[batch.lane >= 0].any()):
        batch, _ = loop.watched_step()


def lanes_that_start_over(loop: StillLoop) -> tuple[set[int], set[int]]:
    """Of the lanes that read in the next step: those that are reset, and those whose loss shows that they were."""
    from_nothing: list[torch.Tensor] = []
    score = loop.parts.brain.score

    def scored(batch: Batch) -> None:
        from_nothing.append(score(batch.bytes, batch.mask) / batch.mask.sum(1))

    learn = loop.parts.brain.learn
    loop.parts.brain.learn = lambda batch: (scored(batch), learn(batch))[1]  # type: ignore[method-assign,func-returns-value]
    batch, report = loop.watched_step()
    loop.parts.brain.learn = learn  # type: ignore[method-assign]
    live = batch.lane >= 0
    same = torch.isclose(from_nothing[0].float(), report.row_loss, rtol=1e-5)
    assert report.applied
    return set(batch.lane[live & batch.reset].tolist()), set(batch.lane[live & same].tolist())


@pytest.mark.fault(
    "A step is skipped",
    tried="the loss is not finite in the step in which lanes jump to other text",
    happens="what they read next begins from a reset state",
)
def test_a_reset_is_not_lost_with_its_step(still: Callable[..., StillLoop]) -> None:
    loop = still()
    for _ in range(3):
        loop.learn()
    owed: set[int] = set()
    while not owed:
        batch = loop.skipped_step()
        owed = set(batch.lane[(batch.lane >= 0) & batch.reset].tolist())
    reported, began = lanes_that_start_over(loop)
    assert reported >= owed & set(range(LANES))
    assert began >= reported


@pytest.mark.fault(
    "A step is skipped",
    tried="a sleep, an evaluation, a growth and a restart come between it and the next reading",
    happens="the lanes that lost their reading still start over, once",
)
@pytest.mark.parametrize("between", ["nothing", "sleep", "evaluation", "growth", "restart"])
def test_lanes_that_lost_their_reading_start_over(
    still: Callable[..., StillLoop], home: Home, between: str
) -> None:
    loop = still(growth__enabled=True, evaluation__slice_rows=2)
    for _ in range(3):
        loop.learn()
    read_to_the_middle_of_a_stretch(loop)
    batch = loop.skipped_step()
    lost = set(batch.lane[batch.lane >= 0].tolist())
    match between:
        case "sleep":
            loop.parts.effects.order("sleep", {"steps": 2})
            while loop.parts.sleeping.asleep:
                loop.parts.dreaming.dream()
        case "evaluation":
            loop.parts.evaluation.score_slice(loop.parts.brain, loop.step)
        case "growth":
            plan = loop.parts.growth_by_hand.plan("blocks.0.mixer", 0.1)
            loop.parts.effects.grow(plan)
        case "restart":
            checkpoint = home.checkpoints / loop.parts.saver.save("manual")
            loop = still(growth__enabled=True, session=2, checkpoint=checkpoint)
    reported, began = lanes_that_start_over(loop)
    assert reported
    assert reported >= lost & reported
    assert began >= reported
    due = set(loop.parts.contents.resets.due_resets)
    assert due == lost - reported  # those that sat out this step are still due theirs
    while loop.parts.contents.resets.due_resets:
        loop.learn()


@pytest.mark.fault(
    "A step is skipped",
    tried="the weights roll back to an older checkpoint while the text continues",
    happens="every lane starts over, also when the run is killed before the next step",
)
@pytest.mark.parametrize("restarted", [False, True])
def test_after_a_roll_back_every_lane_starts_over(
    still: Callable[..., StillLoop], home: Home, restarted: bool
) -> None:
    loop = still(recovery__rollback_after_skips=1)
    for _ in range(3):
        loop.learn()
    read_to_the_middle_of_a_stretch(loop)
    loop.skipped_step()
    assert loop.parts.contents.nonfinite.rollbacks == 1
    assert loop.parts.contents.resets.due_resets == list(range(LANES))
    if restarted:
        newest = home.checkpoints / loop.parts.saver.newest()
        loop = still(session=2, checkpoint=newest)
    reported, began = lanes_that_start_over(loop)
    assert len(reported) >= LANES - 2
    assert began == reported
