"""Growth in a real loop that is driven by hand: nothing runs but what a test lets happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.errors import SettingsError
from brain.growth.signals import SiteProbe
from daemon.checkpoint.catalogue import Catalogue
from daemon.errors import CheckpointError
from tests.still_loop import StillLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.home import Home


@pytest.fixture
def still(home: Home) -> Iterator[Callable[..., StillLoop]]:
    """Makes loops, and lets go of what they hold."""
    made: list[StillLoop] = []

    def make(**settings: Any) -> StillLoop:
        made.append(StillLoop(home, **settings))
        return made[-1]

    yield make
    for loop in made:
        loop.let_go()


def grow(loop: StillLoop, site: str | None = "self_model", **wanted: Any) -> dict[str, Any]:
    plan = loop.parts.growth_by_hand.plan(site, wanted.get("fraction"), wanted.get("operator", "widen"))
    return loop.parts.effects.grow(plan)


def test_growing_twice_between_two_steps_bears_no_clones(still: Callable[..., StillLoop]) -> None:
    loop = still()
    loop.learn()
    born = [grow(loop, fraction=0.1)["units_after"] for _ in range(2)]
    [name] = loop.parts.brain.sites()["self_model"].incoming  # type: ignore[attr-defined]
    rows = loop.parts.brain.state().model[name]
    first, second = rows[born[0] - 2], rows[born[1] - 2]
    assert float(torch.cosine_similarity(first, second, dim=0)) < 0.99


def test_the_way_back_from_a_column_is_pinned(still: Callable[..., StillLoop], home: Home) -> None:
    loop = still(checkpoint__keep_latest=1, checkpoint__keep_hourly=0, checkpoint__keep_daily=0)
    loop.learn()
    before = [grow(loop, None, operator="column")["checkpoint"] for _ in range(2)]
    widened = grow(loop, "self_model")["checkpoint"]
    kept = {info.name: info.pinned for info in Catalogue(home.checkpoints).list()}
    assert [kept.get(name) for name in (*before, widened)] == [True, True, False]


@pytest.mark.parametrize(("enabled", "room"), [(True, -1), (True, 0), (False, -1)])
def test_a_brain_above_its_limit_is_reported(
    still: Callable[..., StillLoop], *, enabled: bool, room: int
) -> None:
    neurons = 176
    loop = still(growth__enabled=enabled, growth__max_neurons=neurons + room)
    assert loop.parts.brain.num_neurons() == neurons
    loop.parts.growing.begin()
    loop.parts.standing.alive()
    reported = [event["message"] for event in loop.events() if event["kind"] == "setting_restored"]
    words = "the brain has 176 neurons already, growth.max_neurons = 175: nothing will grow"
    assert reported == ([words] if enabled and room < 0 else [])


def test_a_block_beside_a_column_is_refused_for_all_sites(still: Callable[..., StillLoop]) -> None:
    loop = still()
    loop.learn()
    grow(loop, None, operator="column")
    with pytest.raises(SettingsError) as refused:
        grow(loop, None, operator="deepen")
    assert str(refused.value) == (
        "a block can be added at no site: a column stays as deep as it was born; it is not in a block"
    )


def test_a_part_that_is_born_whole_is_reported_with_its_own_units(still: Callable[..., StillLoop]) -> None:
    loop = still()
    loop.learn()
    for operator, site in (("deepen", "blocks.0.mlp"), ("expert", "blocks.0.mlp"), ("column", None)):
        before = loop.parts.brain.num_neurons()
        record = grow(loop, site, operator=operator)
        born = loop.parts.brain.num_neurons() - before
        assert (record["units_before"], record["units_after"]) == (0, born)


def test_a_roll_back_behind_a_growth_leaves_no_record_of_it(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = still()
    loop.learn()
    kept, save = grow(loop, fraction=0.1), loop.parts.saver.save

    def fail_once_grown(reason: str) -> str:
        if reason == "grown":
            raise CheckpointError("the disk is full")
        return save(reason)

    monkeypatch.setattr(loop.parts.saver, "save", fail_once_grown)
    loop.learn()
    undone = grow(loop, "blocks.0.mlp", fraction=0.1)
    loop.learn()
    assert loop.parts.saver.newest() == undone["checkpoint"]
    loop.parts.effects.order("roll_back", {"checkpoint": undone["checkpoint"]})
    state = loop.parts.contents.growth
    assert [record["site"] for record in state.history] == ["self_model"]
    assert (state.born, state.last_growth_step) == ({"self_model": 1}, 1)
    assert loop.parts.brain.num_neurons() == kept["metrics_after"]["num_neurons"]
    loop.learn()
    assert grow(loop, "blocks.0.mlp", fraction=0.1)["units_before"] == undone["units_before"]
    loop.parts.standing.alive()
    reported = [event["message"] for event in loop.events() if event["kind"] == "setting_restored"]
    assert reported == ["the roll-back went behind the growth of blocks.0.mlp: it is undone"]


LOOKING: dict[str, Any] = {
    "growth__enabled": True, "growth__every_steps": 5, "growth__maturity_steps": 5, "growth__recycle_above": 1.0,
    "growth__high_activation__enabled": False, "growth__bottleneck__enabled": False,
    "growth__rising_error__patience_steps": 5, "sleep__steps": 2, "sleep__every_steps": 1000,
}  # fmt: skip


def run_on(loop: StillLoop, to_step: int) -> None:
    """As `Loop.run` does, but for its journal and its saves by the clock."""
    while loop.step < to_step:
        if loop.parts.sleeping.asleep:
            loop.parts.dreaming.dream()
        else:
            loop.learn()


@pytest.mark.parametrize("sleeps", [True, False])
def test_a_rise_asks_for_a_sleep_before_it_asks_for_units(
    still: Callable[..., StillLoop], *, sleeps: bool
) -> None:
    off = {} if sleeps else {"sleep__every_steps": 0, "sleep__rest_steps": 0, "sleep__idle_awake_steps": 0}
    loop = still(**LOOKING | off)
    run_on(loop, 4)
    loop.parts.contents.growth.best_error = 0.1  # whatever comes now is a rise
    run_on(loop, 20)
    loop.parts.standing.alive()
    reported = [e for e in loop.events() if e["kind"] in {"sleep_began", "brain_grew"}]
    if sleeps:
        began, grew = reported
        assert (began["kind"], began["data"]["reason"], began["step"]) == (
            "sleep_began", "the error has risen", 10,
        )  # fmt: skip
        assert (grew["kind"], grew["step"]) == ("brain_grew", 20)  # 12 is when it woke, 15 would be too soon
    else:
        [grew] = reported
        assert (grew["kind"], grew["step"]) == ("brain_grew", 10)


@pytest.mark.parametrize("dormant", [[], [3, 5]])
def test_what_is_renewed_is_what_is_dormant_at_this_look(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, dormant: list[int]
) -> None:
    busy = {"growth__high_activation__enabled": True, "growth__high_activation__above": 0.0}
    loop = still(**LOOKING | busy | {"growth__recycle_above": 0.2})
    monkeypatch.setattr(SiteProbe, "dormant", lambda _probe: dormant)
    sleepy = {"utilisation": 0.5, "dormant_share": 0.9, "rank_share": 0.5, "unexpressed": 0.5}
    loop.parts.contents.growth.signals = {name: dict(sleepy) for name in loop.parts.brain.sites()}  # type: ignore[attr-defined]
    run_on(loop, 5)
    loop.parts.standing.alive()
    reported = [event["data"] for event in loop.events() if event["kind"] == "brain_grew"]
    assert [(one["operator"], one["num_renewed"]) for one in reported] == [("recycle", 2)] * bool(dormant)
    assert loop.parts.contents.growth.last_growth_step == (5 if dormant else None)
