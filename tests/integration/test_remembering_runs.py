"""A run with an exact memory: both losses of held-out text while it learns, and the same from its checkpoint."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.errors import ConflictError
from daemon.trainer.offline.questions import evaluate, remembers
from tests.trainer_process import TrainerProcess, spawn, tiny_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.home import Home

STEPS = 52  # behind the first tick of vital signs and the first report by source


@pytest.fixture
def running(home: Home, tmp_path: Path) -> Iterator[TrainerProcess]:
    book = tmp_path / "stdlib.py"
    book.write_bytes(Path(typing.__file__).read_bytes())
    text: dict[str, Any] = {"stream__data": [str(book)], "stream__held_out_share": 0.1}
    trainer = spawn(tiny_order(home, brain__hippocampus_mib=20, **text))
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
    assert set(found) == {"reliance/stdlib.py"}
    assert all(0.0 < value <= 1.0 for value in (*found.values(), reading["value"]))
    assert reading["detail"]["mixed_bpc"] < reading["detail"]["bpc"]
    running.receive_until(lambda seen: any(name == "mixed_bpc" for name, *_ in seen.points))


FACT = "\nThe number of the bakery in Lindenau is 0341 480 2291, and Jolanda answers.\n"
CONTEXT = "Please dial the bakery in Lindenau is "


def test_what_it_was_fed_once_is_looked_up_while_it_learns_and_in_its_checkpoint(
    home: Home, running: TrainerProcess
) -> None:
    fed = running.order("feed", text=FACT).result["effective_step"]
    running.receive_until(lambda seen: seen.step > fed + 10)
    assert running.order("pause").ok
    found = running.order("remembers", context=CONTEXT, max_bytes=13).result
    assert found["completion"] == "0341 480 2291"
    assert found["match"]["matched"] == " the bakery in Lindenau is "
    assert found["match"]["after"].startswith("0341 480 2291, and Jolanda answers.\n")
    assert found["next"]["memory"][0]["text"] == "0"
    assert found["match"]["source"] == "pushed"
    assert fed <= found["match"]["step"] <= fed + 10
    stored = remembers(home, "latest", CONTEXT, max_bytes=13)
    assert stored["completion"] == found["completion"]
    assert stored["match"] == {**found["match"], "source": None}  # of a session that has ended
    for name, likely in found["next"].items():
        assert [one["byte"] for one in stored["next"][name]][:1] == [one["byte"] for one in likely][:1]


def test_a_brain_without_an_exact_memory_says_how_to_start_one_that_has_it(home: Home) -> None:
    trainer = spawn(tiny_order(home))
    try:
        trainer.receive_until(lambda seen: seen.ready is not None)
        refused = trainer.order("remembers", context=CONTEXT)
        assert (refused.ok, refused.conflict) == (False, True)
        assert refused.error == (
            "this brain has no exact memory: brain.hippocampus_mib is 0; a run started with "
            "--set brain.hippocampus_mib=128 has one"
        )
    finally:
        trainer.kill()
    with pytest.raises(ConflictError, match="no exact memory"):
        remembers(home, "latest", "x", max_bytes=1)
