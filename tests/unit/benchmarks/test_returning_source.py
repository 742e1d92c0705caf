"""Sources that take turns: nothing marks a switch, and the measures are those of CALM."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from benchmarks.lstm import LSTMLearner
from benchmarks.returning_source import judge, learn_here
from benchmarks.switching import Measures, SwitchingStream, Turn, draw_turns, measure
from brain.ports import Batch

TURNS = (
    Turn(source="a", begin=0, end=2),
    Turn(source="b", begin=2, end=4),
    Turn(source="a", begin=4, end=7),
    Turn(source="b", begin=7, end=9),
)


def test_every_source_has_its_turns_and_never_two_in_a_row() -> None:
    turns = draw_turns("abcde", turns=20, batches=200, seed=1)
    assert [turn.begin for turn in turns[1:]] == [turn.end for turn in turns[:-1]]
    assert all(one.source != other.source for one, other in itertools.pairwise(turns))
    for source in "abcde":
        lengths = [turn.end - turn.begin for turn in turns if turn.source == source]
        assert len(lengths) == 20
        assert sum(lengths) == 200
        assert min(lengths) >= 1
    assert turns != draw_turns("abcde", turns=20, batches=200, seed=2)


def test_a_source_continues_where_it_was_left_and_no_lane_is_told_of_a_switch() -> None:
    texts = {"a": bytes(range(100, 140)), "b": bytes(range(32))}
    stream = SwitchingStream(texts, TURNS, lanes=2, width=4)
    read = [stream.next((0, 1))[0] for _ in range(9)]
    assert [one.reset.tolist() for one in read] == [[True, True]] + 8 * [[False, False]]
    assert {source for one in read for source in one.source.tolist()} == {0}
    of_a = [read[batch] for batch in (0, 1, 4, 5, 6)]
    of_lane = [b"".join(one.bytes[lane].tobytes() for one in of_a) for lane in range(2)]
    assert b"".join(of_lane) == texts["a"]


def test_the_measures_are_those_of_the_second_half() -> None:
    found = measure([4.0, 2.0, 6.0, 2.0, 5.0, 3.0, 2.0, 4.5, 4.2], TURNS)
    assert found.loss == pytest.approx((5.0 + 3.0 + 2.0 + 4.5 + 4.2) / 5)
    assert found.after_switch == pytest.approx((10 / 3 + 4.35) / 2)
    # `a` was left at a mean of 3 and is below it in its third batch, `b` at 4 and never is.
    assert found.recovery == pytest.approx((2 + 2) / 2)
    assert found.returning == pytest.approx((10 / 3 + 4.35) / (3.0 + 4.0))


def batch(text: bytes, *, replayed: bool) -> Batch:
    rows = torch.frombuffer(bytearray(text), dtype=torch.uint8).view(-1, 4)
    lane = torch.arange(len(rows))
    return Batch(
        bytes=rows,
        mask=torch.ones_like(rows, dtype=torch.bool),
        lane=torch.where(lane == len(rows) - 1, -1, lane) if replayed else lane,
        reset=torch.zeros(len(rows), dtype=torch.bool),
        source=torch.zeros(len(rows), dtype=torch.int64),
    )


def test_the_lstm_scores_before_it_learns_and_learns_replayed_rows_only_where_it_is_to() -> None:
    with_replay = batch(b"abcdefghyyyy", replayed=True)
    learners = [LSTMLearner(lanes=2, replays=replays, seed=0) for replays in (False, True)]
    first = [learner.learn(with_replay) for learner in learners]
    assert first[0] == first[1] == pytest.approx(8.0, abs=0.3)
    for _ in range(25):
        last = [learner.learn(with_replay) for learner in learners]
    assert max(last) < 0.8 * first[0]
    assert last[0] != last[1]


def test_both_memories_stand_beside_the_same_lstms() -> None:
    ours = Measures(loss=2.0, after_switch=2.1, recovery=4.0, returning=1.01)
    peer = Measures(loss=3.0, after_switch=3.3, recovery=10.0, returning=1.2)
    found = judge({"both": [ours, ours], "network": [peer], "LSTM": [peer]}, num_bytes=48_000, long=False)
    assert [one.name for one in found[:4]] == [
        f"returning_source.{which}.both" for which in ("loss", "after_switch", "recovery", "returning")
    ]
    assert [one.holds for one in found] == 4 * [True] + [True, True, False, False]
    assert found[2].peers == {"LSTM": 10.0}


def test_all_learn_the_same_batches() -> None:
    found = learn_here(0, turns=2, batches=4, preset="tiny", overrides={"brain.hippocampus_mib": 20})
    assert list(found) == ["network", "both", "LSTM", "LSTM, replaying the same rows"]
    assert found["both"].loss < found["network"].loss < 8.5
    assert not any(math.isnan(measures.returning) for measures in found.values())
