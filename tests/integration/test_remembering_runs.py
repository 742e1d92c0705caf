"""A run with an exact memory: both losses of held-out text while it learns, and the same from its checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.trainer.offline import evaluate
from tests.trainer_process import TrainerProcess, spawn, tiny_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.home import Home

STEPS = 52  # behind the first tick of vital signs and the first report by source


@pytest.fixture
def running(home: Home) -> Iterator[TrainerProcess]:
    trainer = spawn(tiny_order(home, brain__hippocampus_mib=20))
    try:
        trainer.receive_until(lambda seen: seen.step >= STEPS)
        yield trainer
    finally:
        trainer.kill()


def test_held_out_text_has_two_losses_and_a_checkpoint_the_same_two(
    home: Home, running: TrainerProcess
) -> None:
    assert running.order("pause").ok  # with a checkpoint of this very step
    scored = running.order("evaluate").result
    assert set(scored["mixed_bpc"]) == set(scored["bpc"])
    assert scored["mixed_bpc"]["total"] < scored["bpc"]["total"]
    running.receive_until(lambda seen: "evaluation_finished" in seen.kinds())
    (event,) = [one for one in running.events if one["kind"] == "evaluation_finished"]
    assert event["data"]["mixed_bpc"] == scored["mixed_bpc"]["total"]
    assert f"; with memory {event['data']['mixed_bpc']:.3f}" in event["message"]
    stored = evaluate(home, "latest")
    assert stored["bpc"] == pytest.approx(scored["bpc"]["total"])
    assert stored["mixed_bpc"] == pytest.approx(scored["mixed_bpc"]["total"])
    by_source = {name: bpc for name, bpc in scored["mixed_bpc"].items() if name != "total"}
    assert stored["mixed_by_source"] == pytest.approx(by_source)


def test_its_reliance_is_a_vital_sign_and_a_figure_of_each_source(running: TrainerProcess) -> None:
    running.receive_until(lambda seen: any(name.startswith("reliance/") for name, *_ in seen.points))
    found = {name: value for name, _, _, value in running.points if name.startswith("reliance")}
    reading = next(one for one in running.readings if one["name"] == "reliance")
    assert reading["value"] == found.pop("reliance")
    assert set(found) == {"reliance/stdlib"}
    assert all(0.0 < value <= 1.0 for value in (*found.values(), reading["value"]))
    assert reading["detail"]["mixed_bpc"] < reading["detail"]["bpc"]
    assert [name for name, *_ in running.points].count("mixed_bpc") >= 1
