"""What is TARS's own, beyond the contract every brain keeps (tests/contract/test_brains.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from brain.build import brain_from_spec, build_brain
from brain.errors import SettingsError, SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.tars.config import TarsConfig
from brain.models.tars.network import TarsNetwork
from brain.models.tars.spec import TarsSpec
from brain.models.tars.tars_brain import Tars
from brain.optim.config import OptimizerConfig
from daemon.config.loading import list_presets, resolve_config
from tests.contract.cases import LANES, TINY, batches

ARGUMENTS: dict[str, Any] = {
    "optimizer": OptimizerConfig(warmup_steps=1),
    "lanes": LANES,
    "device": torch.device("cpu"),
    "seed": 0,
}


def make(**settings: Any) -> Tars:
    brain = build_brain("tars", TINY["tars"][0] | settings, **ARGUMENTS)
    assert isinstance(brain, Tars)
    return brain


def test_its_modules_are_three_a_block_in_the_order_of_the_stream() -> None:
    brain = make()
    assert brain.module_names == tuple(
        f"blocks.{number}.{part}" for number in range(2) for part in ("core", "experts", "pool")
    )
    rows = batches(1, seed=3)[0].bytes
    assert tuple(brain.observe(rows)) == brain.module_names


def test_its_head_is_its_embedding() -> None:
    brain = make()
    names = set(brain.state().model)
    assert "embedding" in names
    assert not any(name.startswith("head") for name in names)
    for batch in batches(3):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    before = brain.score(rows, mask)
    brain.state().model["embedding"][200] += (
        1.0  # a byte that is not in the rows: only as an answer does it count
    )
    assert not torch.equal(brain.score(rows, mask), before)


def test_it_reports_how_experts_are_balanced_and_how_long_it_refines() -> None:
    metrics = make().learn(batches(1)[0]).metrics
    assert 1.0 <= metrics["balance_loss"] < 2.0
    assert 0.0 < metrics["refinement_loss"] < 2.0  # steps of the two that there are
    assert metrics["self_model_loss"] > 0


def test_the_balance_loss_spreads_what_the_router_chooses() -> None:
    shares = {}
    for weight in (0.0, 5.0):
        brain = make(balance_weight=weight)
        network = brain.network
        assert isinstance(network, TarsNetwork)
        router = network.stack()[0].experts.router.weight
        router.data[0] = 3.0 * router.data[0].abs().max()  # at first one expert is a favourite
        for batch in batches(25):
            metrics = brain.learn(batch).metrics
        shares[weight] = metrics["balance_loss"]
    assert shares[5.0] < shares[0.0]


@pytest.mark.parametrize("operator", ["deepen", "expert", "column"])
def test_it_grows_wider_and_no_other_way(operator: str) -> None:
    brain = make()
    assert brain.next_column() is None
    plan = GrowthPlan(
        operator=operator,  # type: ignore[arg-type]
        site="columns.0" if operator == "column" else "blocks.0.pool.0", units=4, trigger="by_hand", reason="a test",
    )  # fmt: skip
    with pytest.raises(SettingsError):
        apply_growth(brain, plan, max_neurons=10_000)


def test_it_comes_back_from_its_spec_however_it_grew() -> None:
    brain = make()
    plan = GrowthPlan(operator="widen", site="blocks.1.pool.1", units=4, trigger="by_hand", reason="a test")
    apply_growth(brain, plan, max_neurons=10_000)
    spec = json.loads(json.dumps(dict(brain.state().spec)))
    again = brain_from_spec(spec, **ARGUMENTS)
    assert again.state().spec == spec
    assert {name: t.shape for name, t in again.state().model.items()} == {
        name: t.shape for name, t in brain.state().model.items()
    }


@pytest.mark.parametrize("damage", [{"sites": None}, {"sites": {}}, {"config": {"hidden_size": "wide"}}])
def test_a_damaged_spec_is_named(damage: dict[str, Any]) -> None:
    with pytest.raises(SpecMismatchError, match="the spec of a tars brain"):
        TarsSpec.from_json({**make().state().spec, **damage})


def test_more_active_experts_than_there_are_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"active_experts = 9 are more than num_experts = 4"):
        make(active_experts=9)


def test_presets_have_their_sizes_and_the_kind_takes_the_small_one() -> None:
    presets = {preset.name: preset.config.brain for preset in list_presets()}
    sizes = {}
    for name in ("tars-demo", "tars-full"):
        settings = {key: value for key, value in presets[name].items() if key != "kind"}
        with torch.device("meta"):  # counted without memory
            network = TarsSpec.initial(TarsConfig(**settings)).network()
        sizes[name] = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert sizes["tars-demo"] == pytest.approx(5.5, abs=1.0)
    assert sizes["tars-full"] == pytest.approx(140, abs=15)
    assert resolve_config(overrides={"brain.kind": "tars"}, environ={}).preset == "tars-demo"
