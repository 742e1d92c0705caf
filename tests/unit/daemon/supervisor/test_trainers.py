"""Where a trainer continues after the death of the one before it."""

from __future__ import annotations

from pathlib import Path

from daemon.supervisor.trainers import restarted
from daemon.trainer_protocol import TrainerOrder

FORK = TrainerOrder(
    home=Path("home"),
    run_id="r-fork",
    session=3,
    config={},
    checkpoint=Path("continuous_1"),
    fall_back=False,
    fork_of="r-parent",
)


def test_without_a_checkpoint_of_its_own_it_begins_as_the_first_time() -> None:
    order = restarted(FORK, None)
    assert (order.session, order.checkpoint, order.fork_of) == (4, Path("continuous_1"), "r-parent")
    assert not order.limits_from_checkpoint


def test_from_its_own_checkpoint_it_continues_as_the_run_it_is() -> None:
    order = restarted(FORK, Path("continuous_2"))
    assert (order.session, order.checkpoint, order.fork_of) == (4, Path("continuous_2"), None)
    assert order.fall_back
    assert order.newest
    assert order.limits_from_checkpoint


def test_limits_it_was_resumed_with_hold_until_it_has_saved_them() -> None:
    assert not restarted(FORK, Path("continuous_1")).limits_from_checkpoint
