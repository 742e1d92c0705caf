"""Skip, roll back, pause: the three answers to a loss that is not finite."""

from __future__ import annotations

from daemon.config.tree import RecoveryConfig
from daemon.streams.experience import Experience, Row
from daemon.trainer.nonfinite import FORGIVEN_AFTER_STEPS, Verdict, judge_step, note_resets, with_due_resets
from daemon.trainer.state import LoopState

CONFIG = RecoveryConfig(rollback_after_skips=10, pause_after_rollbacks=3)


def judge(state: LoopState, outcomes: list[bool]) -> list[Verdict]:
    return [judge_step(applied, state, CONFIG) for applied in outcomes]


def test_finite_steps_go_on() -> None:
    assert judge(LoopState(), [True] * 3) == [Verdict.GO_ON] * 3


def test_ten_in_a_row_roll_back() -> None:
    assert judge(LoopState(), [False] * 10) == [Verdict.SKIP] * 9 + [Verdict.ROLL_BACK]


def test_a_finite_step_between_starts_the_count_anew() -> None:
    assert Verdict.ROLL_BACK not in judge(LoopState(), ([False] * 9 + [True]) * 5)


def test_after_three_roll_backs_a_person_is_asked() -> None:
    verdicts = judge(LoopState(), [False] * 40)
    assert verdicts.count(Verdict.ROLL_BACK) == 3
    assert verdicts[-1] is Verdict.PAUSE


def test_long_finite_learning_forgives_earlier_roll_backs() -> None:
    state = LoopState()
    judge(state, [False] * 20)
    assert state.rollbacks == 2
    judge(state, [True] * FORGIVEN_AFTER_STEPS)
    assert state.rollbacks == 0


def experience(*lanes: int, reset: tuple[int, ...] = ()) -> Experience:
    rows = [Row(lane, b"text", 0, "a", 0, lane in reset) for lane in lanes]
    return Experience.of(rows, 4)


def test_a_lane_is_due_a_reset_from_a_skipped_step_until_it_reads_again() -> None:
    state = LoopState()
    note_resets(state, experience(0, 1, 2), applied=True)
    assert state.due_resets == []
    note_resets(state, experience(0, 2), applied=False)
    note_resets(state, experience(2, 3), applied=False)
    assert state.due_resets == [0, 2, 3]
    note_resets(state, experience(1, 2), applied=True)
    assert state.due_resets == [0, 3]


def test_resets_that_are_due_are_added_to_those_of_the_text() -> None:
    read = experience(0, 1, 2, 3, reset=(1,))
    assert with_due_resets(read, []) is read
    assert with_due_resets(read, [7]) is read
    assert with_due_resets(read, [3, 0, 7]).reset.tolist() == [True, True, False, True]
    assert read.reset.tolist() == [False, True, False, False]
