from __future__ import annotations

from daemon.supervisor.children.restart import RestartPolicy


def test_waits_double_up_to_a_minute_and_five_restarts_in_ten_minutes() -> None:
    policy = RestartPolicy()
    assert [policy.after_death(now) for now in (0, 1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 8.0, 16.0, None]


def test_old_deaths_are_forgotten() -> None:
    policy = RestartPolicy()
    waits = [policy.after_death(200.0 * death) for death in range(50)]
    assert None not in waits
    assert max(wait for wait in waits if wait) == 8.0


def test_no_wait_is_longer_than_the_longest() -> None:
    policy = RestartPolicy(max_restarts=50)
    assert [policy.after_death(float(death)) for death in range(20)][-1] == 60.0
