"""Held-out loss by slices: stalest first, combined over the set, within its budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from daemon.config.tree import EvaluationConfig
from daemon.trainer.measures.held_out_loss import (
    BLOCK,
    CORRECT,
    MIXED_NATS,
    HeldOutEvaluation,
    HeldOutLoss,
    combine,
)

if TYPE_CHECKING:
    from torch import Tensor

NATS_PER_BYTE = 2.0 * math.log(2)


class FakeBrain:
    """Costs two bits for every byte."""

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        assert rows.shape == mask.shape
        return mask.sum(dim=1) * NATS_PER_BYTE


class FakeLabeller(FakeBrain):
    """Right about examples of an even number of bytes; one of twelve has no label."""

    labels = ["odd", "even"]  # noqa: RUF012 - as the port has it
    max_labels = 2
    labels_beyond: list[str] = []  # noqa: RUF012

    def correct(self, rows: Tensor, mask: Tensor) -> Tensor:
        num_bytes = mask.sum(dim=1)
        right = (num_bytes % 2 == 0).double()
        return right.masked_fill(num_bytes == 12, torch.nan)


class FakeRememberer(FakeBrain):
    """With its memory every byte costs one bit; how often it was scored is counted."""

    def __init__(self, *, remembers: bool = True) -> None:
        self.remembers, self.passes = remembers, 0

    def score_remembering(self, rows: Tensor, mask: Tensor) -> Tensor:
        raise AssertionError("a second pass over the same text")

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        self.passes += 1
        return super().score(rows, mask)

    def score_both(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        alone = self.score(rows, mask)
        return alone, alone / 2


class Points:
    """The part of a reporter that is asked here."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    def point(self, metric: str, _step: int, value: float) -> None:
        self.seen[metric] = value


class FakeSource:
    def __init__(self, name: str) -> None:
        self.name = name


class FakeHeldOut:
    """Blocks of growing length; the one numbered `gone` can no longer be read."""

    def __init__(self, blocks: int, gone: int | None = None) -> None:
        self.blocks, self.gone, self.asked = blocks, gone, list[int]()

    def __len__(self) -> int:
        return self.blocks

    def place(self, index: int) -> tuple[str, int]:
        return "doc", 4096 * index

    def read(self, index: int) -> tuple[bytes, str, int]:
        self.asked.append(index)
        return (b"" if index == self.gone else b"x" * (10 + index)), "doc", 0


class FakeStream:
    def __init__(self, **sets: FakeHeldOut) -> None:
        self.sources = [FakeSource(name) for name in sets]
        self._sets = list(sets.values())

    def listed(self, *sets: FakeHeldOut) -> None:
        """The files hold something else now."""
        self._sets = list(sets)

    def held_out(self, index: int) -> FakeHeldOut:
        return self._sets[index]


class FakeClock:
    def __init__(self, seconds_a_call: float = 0.0) -> None:
        self.now, self.tick = 0.0, seconds_a_call

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def evaluation(stream: FakeStream, clock: FakeClock | None = None, **settings: Any) -> HeldOutEvaluation:
    config = EvaluationConfig(**{"every_steps": 10, "slice_rows": 2, **settings})
    return HeldOutEvaluation(
        config,
        stream,  # type: ignore[arg-type]
        device=torch.device("cpu"),
        clock=clock or FakeClock(),
    )


def score(held: HeldOutEvaluation, step: int) -> HeldOutLoss | None:
    return held.score_slice(FakeBrain(), step)  # type: ignore[arg-type]


def test_slices_go_through_the_whole_set_before_any_block_comes_again() -> None:
    blocks = FakeHeldOut(5)
    held = evaluation(FakeStream(a=blocks))
    losses = [score(held, step) for step in (10, 20, 30)]
    assert sorted(blocks.asked[:5]) == [0, 1, 2, 3, 4]
    assert [loss.coverage for loss in losses if loss] == [0.4, 0.8, 1.0]
    assert losses[-1] is not None
    assert losses[-1].bpc == pytest.approx(2.0)


def test_age_is_the_mean_since_each_block_was_scored() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(4)))
    score(held, 10)
    score(held, 30)
    assert held.summary("a", 50).age_steps == pytest.approx(30.0)


def test_sources_take_turns() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(2), b=FakeHeldOut(2)))
    assert [loss.source for step in range(4) if (loss := score(held, step))] == ["a", "b", "a", "b"]


def test_a_slice_is_due_at_its_steps_and_within_the_budget() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(4)), FakeClock(seconds_a_call=1.0), budget_share=0.01)
    assert held.due(10, session_seconds=0.0)  # looking for new blocks costs one second
    assert not held.due(11, session_seconds=0.0)
    score(held, 10)  # and so does this
    assert not held.due(20, session_seconds=199.0)
    assert held.due(20, session_seconds=200.0)


def test_a_block_that_has_gone_counts_for_nothing() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(2, gone=1)))
    loss = score(held, 10)
    assert loss is not None
    assert loss.coverage == 0.5
    assert score(evaluation(FakeStream(a=FakeHeldOut(1, gone=0))), 10) is None


def test_the_whole_set_on_demand_and_the_tables_survive_a_restart() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(5), b=FakeHeldOut(3)))
    progress: list[int] = []
    losses = held.score_all(FakeBrain(), 7, lambda: progress.append(1))  # type: ignore[arg-type]
    assert [loss.coverage for loss in losses] == [1.0, 1.0]
    assert len(progress) == 5
    again = evaluation(FakeStream(a=FakeHeldOut(5), b=FakeHeldOut(9)))
    again.load_arrays(held.state_arrays())
    assert [(loss.source, loss.coverage) for loss in again.summaries(7)] == [("a", 1.0), ("b", 3 / 9)]


def test_tables_that_name_no_blocks_are_taken_back_for_a_set_of_their_size() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(5), b=FakeHeldOut(9)))
    held.load_arrays({"a": np.ones((5, 3)), "b": np.ones((3, 3))})
    assert [loss.source for loss in held.summaries(7)] == ["a"]
    blocks = held.state_arrays()["a"][:, 3]
    assert len(set(blocks.tolist())) == 5


def test_the_set_follows_the_files() -> None:
    stream = FakeStream(a=FakeHeldOut(0), b=FakeHeldOut(2))
    held = evaluation(stream)
    assert [loss.source for step in range(2) if (loss := score(held, step))] == ["b", "b"]
    stream.listed(FakeHeldOut(3), FakeHeldOut(4))
    assert held.due(10, session_seconds=1.0)
    assert [(loss.source, loss.coverage) for loss in held.summaries(10)] == [("b", 0.5)]
    losses = held.score_all(FakeBrain(), 10, lambda: None)  # type: ignore[arg-type]
    assert {loss.source: loss.coverage for loss in losses} == {"a": 1.0, "b": 1.0}
    stream.listed(FakeHeldOut(0), FakeHeldOut(1))
    assert held.due(20, session_seconds=1.0)
    assert [(loss.source, loss.coverage) for loss in held.summaries(20)] == [("b", 1.0)]
    stream.listed(FakeHeldOut(0), FakeHeldOut(0))
    assert not held.due(30, session_seconds=1.0)


def test_nothing_held_out_is_never_due_and_never_a_number() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(0)))
    assert not held.due(10, session_seconds=1e9)
    assert combine(held.summaries(10)) is None
    total = combine([HeldOutLoss(source="a", bpc=2.0, num_bytes=3, coverage=1, age_steps=0)])
    assert total is not None
    assert (total.bpc, total.num_bytes, total.accuracy, total.num_examples) == (2.0, 3, None, 0)
    assert total.mixed_bpc is None


def test_a_brain_that_predicts_labels_has_an_accuracy_over_the_examples_that_have_one() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(5), b=FakeHeldOut(1)))
    losses = held.score_all(FakeLabeller(), 7, lambda: None)  # type: ignore[arg-type]
    assert [(loss.accuracy, loss.num_examples) for loss in losses] == [(0.5, 4), (1.0, 1)]
    points = Points()
    total = held.report(losses, points, 7)  # type: ignore[arg-type]
    assert total is not None
    assert (total.accuracy, total.num_examples) == (0.6, 5)
    found = {name: value for name, value in points.seen.items() if "accuracy" in name or "examples" in name}
    assert found == {
        "held_out_accuracy": 0.6,
        "held_out_accuracy/a": 0.5,
        "held_out_accuracy/b": 1.0,
        "held_out_examples": 5,
        "held_out_examples/a": 4,
        "held_out_examples/b": 1,
    }


def test_another_brain_has_a_held_out_loss_and_no_accuracy() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(5)))
    losses = held.score_all(FakeBrain(), 7, lambda: None)  # type: ignore[arg-type]
    points = Points()
    held.report(losses, points, 7)  # type: ignore[arg-type]
    assert losses[0].accuracy is None
    assert not [name for name in points.seen if "accuracy" in name or "examples" in name]


def test_a_brain_with_an_exact_memory_has_two_losses_from_one_pass() -> None:
    held, brain = evaluation(FakeStream(a=FakeHeldOut(4), b=FakeHeldOut(2))), FakeRememberer()
    losses = held.score_all(brain, 7, lambda: None)  # type: ignore[arg-type]
    assert brain.passes == 3  # slices of two blocks
    assert [(loss.bpc, loss.mixed_bpc) for loss in losses] == [pytest.approx((2.0, 1.0))] * 2
    points = Points()
    total = held.report(losses, points, 7)  # type: ignore[arg-type]
    assert total is not None
    assert (total.bpc, total.mixed_bpc) == pytest.approx((2.0, 1.0))
    mixed = {name: value for name, value in points.seen.items() if "mixed" in name}
    assert mixed == pytest.approx(
        {"held_out_mixed_bpc": 1.0, "held_out_mixed_bpc/a": 1.0, "held_out_mixed_bpc/b": 1.0}
    )
    assert points.seen["held_out_bpc"] == pytest.approx(2.0)


def test_a_memory_that_is_switched_on_or_off_never_lends_one_loss_to_the_other() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(4)))
    without, points = FakeRememberer(remembers=False), Points()
    held.report(held.score_all(without, 7, lambda: None), points, 7)  # type: ignore[arg-type]
    assert held.summary("a", 7).mixed_bpc is None
    assert not [name for name in points.seen if "mixed" in name]
    held.score_slice(FakeRememberer(), 8)  # type: ignore[arg-type]
    part = held.summary("a", 8)
    assert (part.bpc, part.mixed_bpc) == pytest.approx((2.0, 1.0))
    assert 0 < part.num_mixed_bytes < part.num_bytes  # over the blocks that were scored with it
    total = combine([part])
    assert total is not None
    assert total.mixed_bpc == pytest.approx(1.0)
    held.score_all(without, 9, lambda: None)  # type: ignore[arg-type]
    assert held.summary("a", 9).mixed_bpc is None


def test_tables_from_before_there_was_an_accuracy_are_taken_back() -> None:
    held = evaluation(FakeStream(a=FakeHeldOut(4)))
    held.score_all(FakeLabeller(), 7, lambda: None)  # type: ignore[arg-type]
    stored = {name: table[:, : BLOCK + 1] for name, table in held.state_arrays().items()}
    again = evaluation(FakeStream(a=FakeHeldOut(4)))
    again.load_arrays(stored)
    (loss,) = again.summaries(7)
    assert loss.bpc == pytest.approx(2.0)
    assert loss.coverage == 1.0
    assert (loss.accuracy, loss.num_examples) == (None, 0)
    assert np.isnan(again.state_arrays()["a"][:, [CORRECT, MIXED_NATS]]).all()
    again.score_slice(FakeLabeller(), 8)  # type: ignore[arg-type]
    assert again.summary("a", 8).num_examples == 2
