"""The minGRU language model is the default brain's stack, all blocks of one kind, and stays so when it grows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from brain.build import brain_from_spec, build_brain
from brain.errors import SettingsError, SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.mingru.mingru_brain import MinGRULanguageModel
from brain.optim.config import OptimizerConfig
from tests.contract.cases import LANES, batches

SMALL: dict[str, Any] = {
    "hidden_size": 8, "mlp_ratio": 2, "bigram_size": 2, "self_model_size": 4, "precision": "fp32",
}  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "optimizer": OptimizerConfig(warmup_steps=1),
    "lanes": LANES,
    "device": torch.device("cpu"),
    "seed": 0,
}


def make(**settings: Any) -> MinGRULanguageModel:
    brain = build_brain("mingru", SMALL | settings, **ARGUMENTS)
    assert isinstance(brain, MinGRULanguageModel)
    return brain


def test_it_is_the_default_brains_stack_of_one_kind_of_block() -> None:
    brain = make(num_layers=3)
    peer = build_brain("synapse", SMALL | {"layers": ["mingru"] * 3}, **ARGUMENTS)
    for batch in batches(3):
        assert brain.learn(batch).loss == peer.learn(batch).loss
    assert brain.state().model.keys() == peer.state().model.keys()
    assert brain.module_names == tuple(f"blocks.{i}.{part}" for i in range(3) for part in ("mixer", "mlp"))


def test_what_it_carries_is_a_few_numbers_a_block() -> None:
    brain = make(num_layers=2)
    carried = {name: t for name, t in brain.state().learning.items() if name.startswith("carried|")}
    assert (
        sum(t[0].numel() for t in carried.values()) == 2 * (8 + 3 * 8) + 3
    )  # and the last bytes, the position


@pytest.mark.parametrize("operator", ["deepen", "expert", "column"])
def test_it_grows_as_the_default_brain_does_and_comes_back_as_itself(operator: str) -> None:
    brain = make(num_layers=2)
    for batch in batches(3):
        brain.learn(batch)
    site = {"deepen": "blocks.0.mlp", "expert": "blocks.0.mlp", "column": "columns.0"}[operator]
    column = brain.next_column()
    assert column is not None
    units = {"deepen": brain.sites()["blocks.0.mlp"].deeper_units, "expert": 4, "column": column.units}[
        operator
    ]
    plan = GrowthPlan(
        operator=operator,  # type: ignore[arg-type]
        site=site, units=units, width=column.width if operator == "column" else 0, trigger="by_hand", reason="a test",
    )  # fmt: skip
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    before = brain.score(rows, mask)
    apply_growth(brain, plan, max_neurons=10_000)
    assert torch.equal(brain.score(rows, mask), before)
    spec = json.loads(json.dumps(dict(brain.state().spec)))
    assert spec["kind"] == "mingru"
    assert set(spec["layers"]) == {"mingru"}
    again = brain_from_spec(spec, **ARGUMENTS)
    assert isinstance(again, MinGRULanguageModel)
    again.load(brain.state())
    assert torch.equal(again.score(rows, mask), before)


def test_it_has_no_setting_of_attention() -> None:
    with pytest.raises(SettingsError, match=r"brain\.window is not a setting of brain 'mingru'"):
        make(window=16)


def test_a_damaged_spec_names_its_kind() -> None:
    spec = dict(make().state().spec)
    with pytest.raises(SpecMismatchError, match="the spec of a mingru brain"):
        brain_from_spec({**spec, "sites": None}, **ARGUMENTS)
