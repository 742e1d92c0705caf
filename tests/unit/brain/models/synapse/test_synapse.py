"""What is SYNAPSE's own, beyond the contract every brain keeps (tests/contract/test_brains.py)."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from brain.build import brain_from_spec, build_brain
from brain.errors import SettingsError, SpecMismatchError, UnknownNameError
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.spec import SynapseSpec
from brain.models.synapse.synapse_brain import Synapse
from brain.online.reading import draw
from brain.optim.config import OptimizerConfig
from brain.ports import Batch, BrainState

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "hidden_size": 8, "layers": ["mingru", "attention"], "num_heads": 2, "window": 16, "mlp_ratio": 2,
    "bigram_size": 2, "self_model_size": 4, "precision": "fp32",
}  # fmt: skip
ARGUMENTS: dict[str, Any] = {
    "optimizer": OptimizerConfig(warmup_steps=1),
    "lanes": 3,
    "device": CPU,
    "seed": 0,
}


def make(**settings: Any) -> Synapse:
    brain = build_brain("synapse", SMALL | settings, **ARGUMENTS)
    assert isinstance(brain, Synapse)
    return brain


def batch(seed: int = 0, lanes: tuple[int, ...] = (0, 1, 2), length: int = 10) -> Batch:
    rows = len(lanes)
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        bytes=torch.randint(0, 256, (rows, length), generator=generator, dtype=torch.uint8),
        mask=torch.ones(rows, length, dtype=torch.bool),
        lane=torch.tensor(lanes),
        reset=torch.zeros(rows, dtype=torch.bool),
        source=torch.zeros(rows, dtype=torch.int64),
    )


def carried(brain: Synapse) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in brain.state().learning.items() if name.startswith("carried|")}


def count_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


def test_the_workspace_is_the_mixer_and_mlp_of_each_block() -> None:
    default = SynapseConfig()
    assert len(default.layers) * 2 == 8
    assert make().module_names == ("blocks.0.mixer", "blocks.0.mlp", "blocks.1.mixer", "blocks.1.mlp")


def test_heads_have_64_channels_unless_set() -> None:
    brain = make(hidden_size=192, num_heads=None)
    assert brain.state().learning["carried|blocks.1.mixer.keys"].shape == (3, 3, 16, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hiden_size": 8}, r"brain\.hiden_size .* did you mean brain\.hidden_size\?"),
        ({"hidden_size": "wide"}, r"brain\.hidden_size = 'wide'"),
        ({"layers": ["lstm"]}, r"brain\.layers\.0 = 'lstm'"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_brain("synapse", settings, **ARGUMENTS)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean synapse"):
        build_brain("synapsee", {}, **ARGUMENTS)


def test_sites_of_one_kind_need_not_be_equal() -> None:
    spec = make(layers=["mingru", "mingru"]).spec
    grown = replace(
        spec,
        sites=dict(spec.sites) | {"blocks.0.mixer": 11, "blocks.1.mlp": 23, "self_model": 9},
        growth=({"site": "blocks.1.mlp", "units": 7},),
    )
    stored = json.loads(json.dumps(grown.to_json()))
    brain = brain_from_spec(stored, **ARGUMENTS)
    shapes = {name: tuple(t.shape) for name, t in brain.state().model.items()}
    assert shapes["blocks.0.mixer.gate.weight"] == (11, 8)
    assert shapes["blocks.1.mixer.gate.weight"] == (8, 8)
    assert shapes["blocks.1.mlp.out.weight"] == (8, 23)
    assert brain.num_neurons() == 11 + 16 + 8 + 23 + 9
    assert brain.state().spec == stored
    for seed in range(2):
        assert brain.learn(batch(seed)).applied


@pytest.mark.parametrize("damage", ["kind", "config", "sites", "odd site"])
def test_a_damaged_spec_is_refused(damage: str) -> None:
    stored = make().spec.to_json()
    if damage == "odd site":
        stored["sites"]["blocks.7.mlp"] = 3
    else:
        del stored[damage]
    with pytest.raises(SpecMismatchError):
        brain_from_spec(stored, **ARGUMENTS)


def test_a_state_for_other_lanes_is_refused() -> None:
    stored = make().state()
    other = build_brain("synapse", SMALL, **ARGUMENTS | {"lanes": 5})
    with pytest.raises(SpecMismatchError, match=r"carried\|.* number of lanes"):
        other.load(stored)


def test_a_state_of_another_optimizer_is_refused() -> None:
    stored = make().state()
    other = build_brain("synapse", SMALL, **ARGUMENTS | {"optimizer": OptimizerConfig(kind="muon")})
    with pytest.raises(SpecMismatchError, match=r"\|"):
        other.load(stored)


def test_a_lane_that_sits_out_keeps_its_place() -> None:
    brain = make()
    brain.learn(batch(0))
    before = carried(brain)
    brain.learn(batch(1, lanes=(0, 2, -1)))
    after = carried(brain)
    for name in before:
        assert torch.equal(before[name][1], after[name][1])
        assert not torch.equal(before[name][0], after[name][0])


def test_a_row_of_padding_leaves_its_lane_as_it_was() -> None:
    brain = make()
    brain.learn(batch(0))
    before, empty = carried(brain), batch(1)
    empty.mask[1] = False
    brain.learn(empty)
    assert all(torch.equal(before[name][1], t[1]) for name, t in carried(brain).items())


def test_a_lane_whose_document_ended_starts_over_without_a_reset() -> None:
    brain = make()
    ended = batch(0)
    ended.mask[1, 4:] = False
    brain.learn(ended)
    assert brain.state().learning["carried|reader.position"].tolist() == [10, 0, 10]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("clip_norm", [1e-3, 1.0, 1e9])
def test_the_self_model_cannot_move_the_trunk(kind: str, clip_norm: float) -> None:
    optimizer = OptimizerConfig(
        kind="muon" if kind == "muon" else "adamw", warmup_steps=1, clip_norm=clip_norm
    )
    brains = [
        build_brain("synapse", SMALL | {"self_model_weight": weight}, **ARGUMENTS | {"optimizer": optimizer})
        for weight in (0.0, 1.0, 1000.0)
    ]
    for brain in brains:
        for seed in range(3):
            brain.learn(batch(seed))
    without, *others = ({**brain.state().model, **brain.state().learning} for brain in brains)
    for own in others:
        differing = {name for name in own if not torch.equal(own[name], without[name])}
        assert {name for name in differing if "self_model." not in name} == set()
        assert {"self_model.into.weight", "self_model.out.weight"} <= differing


def test_the_self_model_learns_its_next_state() -> None:
    brain = make(self_model_size=32)
    again = replace(batch(0), reset=torch.ones(3, dtype=torch.bool))
    errors = [brain.learn(again).metrics["self_model_loss"] for _ in range(150)]
    assert errors[0] == pytest.approx(1.0, abs=0.01)  # it predicts zero, and states have unit mean square
    assert errors[-1] < 0.5
    evidence = brain.learn(again).evidence
    following = evidence["next_state"]
    missed = (evidence["predicted_state"] - following).square().sum()
    assert missed < 0.6 * (following - following.mean(dim=0)).square().sum()


def test_evidence_is_bounded_and_of_live_rows() -> None:
    brain = make()
    long = batch(0, lanes=(0, 1, 2, -1, -1), length=200)
    evidence = brain.learn(long).evidence
    assert evidence["confidence"].shape == (600,)
    assert evidence["state"].shape == (256, 8)


def test_score_of_a_long_row_is_read_in_spans() -> None:
    brain = make()
    for seed in range(5):
        brain.learn(batch(seed))
    rows = batch(9, length=700).bytes
    mask = torch.ones(3, 700, dtype=torch.bool)
    whole = brain.score(rows, mask)
    head, tail = mask.clone(), mask.clone()
    head[:, 300:], tail[:, :300] = False, False
    torch.testing.assert_close(whole, brain.score(rows, head) + brain.score(rows, tail))
    torch.testing.assert_close(brain.score(rows[:, :300], mask[:, :300]), brain.score(rows, head))


def test_a_step_keeps_no_graph_and_no_memory() -> None:
    brain = make()
    for seed in range(3):
        brain.learn(batch(seed))
    before = count_tensors()
    for seed in range(5):
        brain.learn(batch(seed))
    assert count_tensors() <= before
    state = brain.state()
    assert all(t.grad_fn is None for t in (*state.model.values(), *state.learning.values()))


def test_an_unknown_module_cannot_be_nudged() -> None:
    with pytest.raises(ValueError, match=r"no module is called 'blocks\.9\.mlp'"):
        make().observe(batch().bytes, inject={"blocks.9.mlp": torch.zeros(3, 10, 8)})


@pytest.mark.parametrize(
    "options", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"max_bytes": -1}]
)
def test_impossible_speech_is_refused_at_once(options: dict[str, Any]) -> None:
    chosen: dict[str, Any] = {"max_bytes": 1, "temperature": 1.0, "top_p": 1.0} | options
    with pytest.raises(ValueError, match="generate needs"):
        make().generate(b"", **chosen, generator=torch.Generator())


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_a_rate_is_scaled_by_a_finite_factor(factor: float) -> None:
    with pytest.raises(ValueError, match="finite factor of at least 0"):
        make().scale_learning_rate(factor)


def test_drawing_keeps_to_the_nucleus_and_its_proportions() -> None:
    chance = torch.zeros(256)
    chance[[10, 20, 30, 40]] = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = chance.log()
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(logits, temperature=1.0, top_p=0.8, generator=generator) for _ in range(2000)]
    assert set(drawn) == {10, 20}
    assert drawn.count(10) / 2000 == pytest.approx(0.625, abs=0.04)
    assert draw(logits, temperature=0.0, top_p=1.0, generator=generator) == 10
    assert {draw(logits, temperature=1.0, top_p=0.01, generator=generator) for _ in range(20)} == {10}


def test_frozen_parts_do_not_count_and_do_not_move() -> None:
    brain = make()
    total = brain.num_parameters()
    names = brain.freeze("blocks.0.")
    frozen = sum(brain.state().model[name].numel() for name in names)
    assert brain.num_parameters() == total - frozen
    before = {name: brain.state().model[name].clone() for name in names}
    for seed in range(3):
        brain.learn(batch(seed))
    assert all(torch.equal(before[name], brain.state().model[name]) for name in names)


def test_spec_of_a_newborn_names_every_site() -> None:
    spec = SynapseSpec.initial(
        SynapseConfig(hidden_size=8, layers=("ssd", "mingru", "attention"), mlp_ratio=3)
    )
    assert spec.sites == {
        "blocks.0.mlp": 24, "blocks.1.mixer": 8, "blocks.1.mlp": 24, "blocks.2.mlp": 24, "self_model": 128,
    }  # fmt: skip


def test_counters_of_a_stored_state_are_not_shared() -> None:
    brain = make()
    state: BrainState = brain.state()
    brain.learn(batch())
    assert state.counters["step"] == 0


def restarted(brain: Synapse) -> Synapse:
    stored = brain.state()
    counters = json.loads(json.dumps(dict(stored.counters)))
    again = brain_from_spec(json.loads(json.dumps(dict(stored.spec))), **ARGUMENTS)
    again.load(replace(stored, counters=counters))
    assert isinstance(again, Synapse)
    return again


def learning(brain: Synapse) -> set[str]:
    return {name for name, weight in brain.network.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("prefix", ["blocks.0.", "bigram.", "self_model.", ""])
def test_what_was_frozen_by_hand_is_so_after_a_restart_and_can_be_thawed(prefix: str) -> None:
    brain = make()
    brain.learn(batch(0))
    everything = learning(brain)
    names = set(brain.freeze(prefix))
    brain.freeze("blocks.0.mlp.", frozen=False)
    names -= {name for name in names if name.startswith("blocks.0.mlp.")}
    again = restarted(brain)
    assert learning(again) == learning(brain) == everything - names
    assert again.state().counters == brain.state().counters
    for seed in range(1, 3):
        assert brain.learn(batch(seed)).loss == again.learn(batch(seed)).loss
    assert all(torch.equal(t, again.state().model[name]) for name, t in brain.state().model.items())
    again.freeze("", frozen=False)
    before = {name: t.clone() for name, t in again.state().model.items()}
    for _ in range(3):
        again.learn(batch(3))
    after = again.state().model
    assert {name for name in before if torch.equal(before[name], after[name])} == set()


def test_a_state_from_before_freezing_was_kept_has_nothing_frozen() -> None:
    brain = make()
    before, everything = brain.state(), learning(brain)
    brain.freeze("")
    older = {name: value for name, value in before.spec.items() if name != "frozen"}
    brain.load(replace(before, spec=older))
    assert learning(brain) == everything
    assert brain.state().spec["frozen"] == []


def test_a_frozen_weight_that_is_not_there_is_named_and_nothing_is_loaded() -> None:
    brain, other = make(), make()
    other.freeze("")
    for weight in other.network.parameters():
        weight.data.zero_()
    strange = {**other.state().spec, "frozen": ["blocks.9.mlp.into.weight"]}
    before = {name: t.clone() for name, t in brain.state().model.items()}
    with pytest.raises(SpecMismatchError, match=r"blocks\.9\.mlp"):
        brain.load(replace(other.state(), spec=strange))
    assert all(torch.equal(t, brain.state().model[name]) for name, t in before.items())
    assert learning(brain) == set(before)
