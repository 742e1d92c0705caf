"""Vital signs of a stored brain beside their null controls, as the command gives them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from brain.vitals.controls import CONTROLS, OWN
from daemon.cli.app import main
from daemon.trainer.offline.questions import probe
from tests.integration.test_bit_exact import learn, weights_hash

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

PLASTICITY = {"dormant_share", "effective_rank", "weight_norm"}
SIGNS = {"phi", "agency_self", "integration", "confidence", "self_prediction_error", "reliance"} | PLASTICITY


@pytest.fixture
def checkpoint(home: Home) -> Path:
    """The last of sixty steps."""
    return learn(home, limits__steps=60)


def test_a_checkpoint_is_probed_and_stays_what_it_is(home: Home, checkpoint: Path) -> None:
    before = weights_hash(checkpoint)
    reported: list[str] = []
    found = probe(home, checkpoint.name, ticks=4, on_progress=reported.append)
    assert weights_hash(checkpoint) == before
    assert reported == [OWN, "disconnected", "zero_input", "scrambled", "untrained"]
    assert (found["checkpoint"], found["step"], found["ticks"]) == (checkpoint.name, 60, 4)
    assert list(found["vitals"]) == [OWN, *CONTROLS]
    for readings in found["vitals"].values():
        assert set(readings) == SIGNS
        assert readings["agency_self"]["name"] == "agency_self"
        assert not {"acts", "world"} & readings["agency_self"]["detail"].keys()  # the probe cannot know
    assert "agency_self" in found["expected"]
    assert all(reading["value"] is None for reading in found["vitals"]["zero_input"].values())
    for name in PLASTICITY:  # a number that shuffling cannot move would be no control
        assert found["vitals"]["shuffled"][name]["reason"] == "shuffling does not change units or weights"
    disconnected = found["vitals"]["disconnected"]["phi"]["value"]
    assert disconnected is None or disconnected < 0.1
    assert json.loads(json.dumps(found)) == found
    again = probe(home, checkpoint.name, ticks=4)
    assert values(again) == values(found)  # anyone who probes it gets the same


def values(found: dict[str, Any]) -> list[Any]:
    """Every value and raw estimate, without what measuring took."""
    return [
        (control, name, reading["value"], reading["raw"])
        for control, readings in found["vitals"].items()
        for name, reading in readings.items()
    ]


def test_the_command_prints_a_table_or_json(
    home: Home, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", checkpoint.name, "--ticks", "2", "--home", str(home.root), "--json"]) == 0
    spoken = capsys.readouterr()
    assert set(json.loads(spoken.out)["vitals"][OWN]) == SIGNS
    assert "Measuring: zero input" in spoken.err
    assert main(["probe", "nonsense", "--home", str(home.root)]) != 0
    assert capsys.readouterr().err.count("\n") == 1
