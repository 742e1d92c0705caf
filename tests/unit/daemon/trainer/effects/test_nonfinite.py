"""Skip, roll back, pause: the three answers to a loss that is not finite."""

from __future__ import annotations

from daemon.config.tree import RecoveryConfig
from daemon.trainer.effects.nonfinite import FORGIVEN_AFTER_STEPS, NonFiniteSteps, Verdict

CONFIG = RecoveryConfig(rollback_after_skips=10, pause_after_rollbacks=3)


def judge(state: NonFiniteSteps, outcomes: list[bool]) -> list[Verdict]:
    return [state.judge(CONFIG, applied=applied) for applied in outcomes]


def test_finite_steps_continue() -> None:
    assert judge(NonFiniteSteps(), [True] * 3) == [Verdict.GO_ON] * 3


def test_ten_in_a_row_roll_back() -> None:
    assert judge(NonFiniteSteps(), [False] * 10) == [Verdict.SKIP] * 9 + [Verdict.ROLL_BACK]


def test_a_finite_step_between_restarts_the_count() -> None:
    assert Verdict.ROLL_BACK not in judge(NonFiniteSteps(), ([False] * 9 + [True]) * 5)


def test_after_three_roll_backs_a_person_is_asked() -> None:
    verdicts = judge(NonFiniteSteps(), [False] * 40)
    assert verdicts.count(Verdict.ROLL_BACK) == 3
    assert verdicts[-1] is Verdict.PAUSE


def test_long_finite_learning_forgives_earlier_roll_backs() -> None:
    state = NonFiniteSteps()
    judge(state, [False] * 20)
    assert state.rollbacks == 2
    judge(state, [True] * FORGIVEN_AFTER_STEPS)
    assert state.rollbacks == 0
