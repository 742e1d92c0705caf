"""Lanes whose carried state does not belong to the text before their next row start over."""

from __future__ import annotations

from daemon.streams.experience import Experience, Row
from daemon.trainer.state.lane_resets import LaneResets


def experience(*lanes: int, reset: tuple[int, ...] = ()) -> Experience:
    rows = [Row(lane, b"text", 0, "a", 0, lane in reset) for lane in lanes]
    return Experience.of(rows, 4)


def test_a_lane_is_due_a_reset_from_a_skipped_step_until_it_reads_again() -> None:
    resets = LaneResets()
    resets.note(experience(0, 1, 2), applied=True)
    assert resets.due_resets == []
    resets.note(experience(0, 2), applied=False)
    resets.note(experience(2, 3), applied=False)
    assert resets.due_resets == [0, 2, 3]
    resets.note(experience(1, 2), applied=True)
    assert resets.due_resets == [0, 3]


def test_resets_that_are_due_are_added_to_those_of_the_text() -> None:
    read = experience(0, 1, 2, 3, reset=(1,))
    assert LaneResets(due_resets=[]).added_to(read) is read
    assert LaneResets(due_resets=[7]).added_to(read) is read
    assert LaneResets(due_resets=[3, 0, 7]).added_to(read).reset.tolist() == [True, True, False, True]
    assert read.reset.tolist() == [False, True, False, False]
