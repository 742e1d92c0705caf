"""What is AGIFORMER's own, beyond the contract every brain keeps (tests/contract/test_brains.py)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch

from brain.blocks.span import Span
from brain.build import brain_from_spec, build_brain
from brain.codecs.codec import Symbols
from brain.errors import SettingsError, SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.agiformer.agiformer_brain import Agiformer
from brain.models.agiformer.config import AgiformerConfig
from brain.models.agiformer.network import AgiformerNetwork, PatchPass
from brain.models.agiformer.spec import AgiformerSpec
from brain.online.lanes import fresh_state
from brain.optim.config import OptimizerConfig
from brain.plasticity.activations import recorded_activations
from brain.vitals.act_recognition import activity_after
from brain.vitals.twins import draw_silent
from daemon.config.loading import list_presets, resolve_config
from tests import exact_gradients
from tests.contract.cases import LANES, TINY, batches

ARGUMENTS: dict[str, Any] = {
    "optimizer": OptimizerConfig(warmup_steps=1),
    "lanes": LANES,
    "device": torch.device("cpu"),
    "seed": 0,
}


def make(**settings: Any) -> Agiformer:
    made = build_brain("agiformer", TINY["agiformer"][0] | {"hippocampus_mib": 0} | settings, **ARGUMENTS)
    assert isinstance(made, Agiformer)
    return made


def network_of(brain: Agiformer) -> AgiformerNetwork:
    assert isinstance(brain.network, AgiformerNetwork)
    return brain.network


def with_weights(**settings: Any) -> AgiformerNetwork:
    """In float64, every branch with an output."""
    brain = make(**settings)
    draw_silent(brain, seed=1)
    return network_of(brain).double()


def symbols_of(ids: torch.Tensor) -> Symbols:
    everything = torch.ones_like(ids, dtype=torch.bool)
    return Symbols(ids=ids, valid=everything, num_bytes=everything.long())


@torch.no_grad()
def read(network: AgiformerNetwork, ids: torch.Tensor, cuts: list[int]) -> torch.Tensor:
    """Logits of rows that are read in pieces."""
    rows = torch.arange(len(ids))
    state = fresh_state(network, len(ids), device=ids.device, dtype=torch.float64)
    found, position = [], torch.zeros(len(ids), dtype=torch.int64)
    for first, end in itertools.pairwise(cuts):
        span = Span(position=position, length=end - first, fresh_only=first == 0, dtype=torch.float64)
        done = network(symbols_of(ids[:, first:end]), span, state if first else None)
        position = span.end
        network.commit(state, rows, done.update, position)
        found.append(done.logits)
    return torch.cat(found, dim=1)


TEXT = torch.randint(0, 256, (3, 37), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


@pytest.mark.parametrize(
    "settings", [{}, {"linear": "kda", "thinking_tied": False}, {"patch_size": 1}, {"patch_size": 3}]
)
def test_at_once_byte_by_byte_and_in_any_pieces_it_predicts_the_same(settings: dict[str, Any]) -> None:
    network = with_weights(**settings)
    whole = read(network, TEXT, [0, 37])
    assert float(whole.std()) > 0.1
    for cuts in (list(range(38)), [0, 3, 4, 5, 14, 15, 37], [0, 13, 26, 37]):
        torch.testing.assert_close(read(network, TEXT, cuts), whole, rtol=0, atol=1e-10)


@pytest.mark.parametrize("settings", [{}, {"patch_size": 1}, {"patch_size": 6}])
def test_no_byte_sees_itself_or_what_comes_after_and_each_that_follows_sees_it(
    settings: dict[str, Any],
) -> None:
    network = with_weights(**settings)
    clean = read(network, TEXT, [0, 37])
    for at in (0, 3, 4, 7, 11, 36):
        other = TEXT.clone()
        other[:, at] += 1
        moved = (read(network, other, [0, 37]) - clean).abs().amax(dim=(0, 2))
        assert float(moved[: at + 1].max()) == 0.0
        assert bool((moved[at + 1 :] > 0).all())


def test_its_gradients_are_exact_from_the_bytes_to_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_gradients, "STEP", 1e-5)  # a whole network bends more than one mixer
    network = with_weights(
        bigram_size=0, self_model_size=0
    )  # a table has a gradient of its own kind, tested with it
    ids = TEXT[:, :11]
    span = Span.beginning(*ids.shape, device=ids.device, dtype=torch.float64)
    exact_gradients.assert_exact_gradients(
        lambda: network(symbols_of(ids), span, None).logits, network.parameters()
    )


@torch.no_grad()
def test_rows_stand_at_places_of_their_own_in_a_patch() -> None:
    network = with_weights()
    whole = read(network, TEXT, [0, 37])
    state = fresh_state(network, 3, device=TEXT.device, dtype=torch.float64)
    starts = [5, 8, 0]
    for row, start in enumerate(starts[:2]):
        span = Span(
            position=torch.zeros(1, dtype=torch.int64), length=start, fresh_only=True, dtype=torch.float64
        )
        done = network(symbols_of(TEXT[row : row + 1, :start]), span, None)
        network.commit(state, torch.tensor([row]), done.update, span.end)
    position = torch.tensor(starts)
    for length in (3, 1, 9, 6):
        ids = torch.stack([TEXT[row, at : at + length] for row, at in enumerate(position.tolist())])
        span = Span(position=position, length=length, dtype=torch.float64)
        done = network(symbols_of(ids), span, state)
        for row, at in enumerate(position.tolist()):
            torch.testing.assert_close(done.logits[row], whole[row, at : at + length], rtol=0, atol=1e-10)
        position = span.end
        network.commit(state, torch.arange(3), done.update, position)


@torch.no_grad()
def test_a_byte_inside_a_patch_costs_the_decoder_alone() -> None:
    network, calls = with_weights(), []
    handle = network.stack()[0].register_forward_pre_hook(lambda *_: calls.append(1))
    read(network, TEXT[:1], list(range(17)))
    handle.remove()
    assert len(calls) == 4


def test_its_modules_stand_in_the_order_of_the_stream() -> None:
    brain = make()
    assert brain.module_names == ("blocks.0.attention", "blocks.0.linear", "blocks.0.mlp", "thinking")
    assert make(thinking_steps=0).module_names == brain.module_names[:-1]
    activity = brain.observe(batches(1, seed=3)[0].bytes)
    assert {values.shape[:2] for values in activity.values()} == {(6, 5)}  # of twenty bytes


def test_vital_signs_find_what_is_active_at_a_byte_in_modules_that_work_by_patches() -> None:
    brain = make()
    texts = [np.arange(97, 97 + length, dtype=np.uint8) for length in (17, 24, 20)]
    found = activity_after(brain, texts, device=torch.device("cpu"))
    for number, text in enumerate(texts):
        alone = brain.observe(torch.from_numpy(text)[None])
        for name, values in alone.items():
            at = (len(text) - 1) // 4
            np.testing.assert_allclose(found[name][number], values[0, at].numpy(), rtol=1e-4, atol=1e-5)


def test_what_pads_a_row_is_in_no_report_of_its_units() -> None:
    brain, batch = make(), batches(1, ragged=False)[0]
    batch.mask[:, 6:] = False  # two patches are read to predict six bytes
    evidence = brain.learn(batch).evidence
    assert evidence["units|blocks.0.mlp"].shape[0] == evidence["units|thinking.0"].shape[0] == 6 * 2
    assert evidence["units|decoder.layers.0"].shape[0] == 6 * 6


def test_a_checkpoint_is_read_with_any_number_of_steps() -> None:
    brain = make()
    draw_silent(brain, seed=1)
    rows = batches(1, seed=3)[0].bytes
    network, mask, found = network_of(brain), torch.ones_like(rows, dtype=torch.bool), {}
    for steps in (0, 1, 2, 7):
        network.thinking_steps = steps
        found[steps] = brain.score(rows, mask)
    assert len({tuple(nats.tolist()) for nats in found.values()}) == 4
    network.thinking_steps = 7
    with torch.no_grad():
        span = Span.beginning(*rows.shape, device=rows.device, dtype=torch.float32)
        done = network(symbols_of(rows), span, None)
    assert isinstance(done, PatchPass)
    for steps, nats in found.items():
        log_probs = network.decoded(done, steps).div(30.0).tanh().mul(30.0).log_softmax(dim=-1)
        chosen = -log_probs.gather(-1, rows.long().unsqueeze(-1)).squeeze(-1).double()
        torch.testing.assert_close(chosen.sum(dim=1), nats, rtol=1e-4, atol=1e-4)
        of_patches = network.nats_by_steps(done, mask)[..., steps]
        torch.testing.assert_close(of_patches.sum(dim=1).double(), nats, rtol=1e-4, atol=1e-4)


def test_random_thinking_follows_from_what_is_read_and_reading_takes_all_steps() -> None:
    losses = []
    for _ in range(2):
        brain = make(random_thinking=True)
        losses.append([brain.learn(batch).loss for batch in batches(8)])
    assert losses[0] == losses[1]
    network, taken = network_of(brain), []
    assert network.thinking is not None
    handle = network.thinking.register_forward_hook(lambda *arguments: taken.append(len(arguments[2]) - 1))
    for batch in batches(8, seed=5):
        brain.learn(batch)
    brain.score(batches(1)[0].bytes, batches(1)[0].mask)
    handle.remove()
    assert set(taken[:-1]) == {1, 2}  # where none is drawn one is computed, and does not count
    assert taken[-1] == 2


def test_exits_learn_and_reading_may_stop_early() -> None:
    brain = make(halting=True, halting_price=5.0)
    network = network_of(brain)
    assert network.thinking is not None
    assert network.thinking.exit_bias is not None
    losses = [brain.learn(batch).metrics["exit_loss"] for batch in batches(8)]
    assert losses[-1] < losses[0]
    assert float(network.thinking.exit_bias.detach()) > -2.0  # steps at such a price are not worth it
    rows = batches(1)[0].bytes
    mask, nats = torch.ones_like(rows, dtype=torch.bool), []
    with torch.no_grad():
        for bias in (-9.0, 9.0):
            network.thinking.exit_bias.fill_(bias)
            nats.append(brain.score(rows, mask))
    network.thinking_steps = 0
    torch.testing.assert_close(brain.score(rows, mask), nats[1])
    assert not torch.equal(nats[0], nats[1])


@pytest.mark.parametrize("operator", ["deepen", "expert", "column"])
def test_it_grows_wider_and_no_other_way(operator: Any) -> None:
    brain = make()
    assert brain.next_column() is None
    site = "columns.0" if operator == "column" else "thinking.0"
    plan = GrowthPlan(operator=operator, site=site, units=4, trigger="by_hand", reason="a test")
    with pytest.raises(SettingsError):
        apply_growth(brain, plan, max_neurons=10_000)


def test_it_comes_back_from_its_spec_however_it_grew() -> None:
    brain = make()
    for site in ("thinking.0", "decoder.layers.0"):
        plan = GrowthPlan(operator="widen", site=site, units=4, trigger="by_hand", reason="a test")
        apply_growth(brain, plan, max_neurons=10_000)
    spec = json.loads(json.dumps(dict(brain.state().spec)))
    again = brain_from_spec(spec, **ARGUMENTS)
    assert again.state().spec == spec
    assert {name: t.shape for name, t in again.state().model.items()} == {
        name: t.shape for name, t in brain.state().model.items()
    }


def test_a_run_that_begins_with_its_weights_may_think_longer() -> None:
    spec = make().spec
    taught = spec.trained_by(AgiformerConfig(thinking_steps=5, random_thinking=True, hidden_size=512))
    assert (taught.config.thinking_steps, taught.config.random_thinking) == (5, True)
    assert taught.config.hidden_size == spec.config.hidden_size
    assert (
        make(thinking_tied=False).spec.trained_by(AgiformerConfig(thinking_steps=5)).config.thinking_steps
        == 2
    )


@pytest.mark.parametrize("damage", [{"sites": None}, {"sites": {}}, {"config": {"hidden_size": "wide"}}])
def test_a_damaged_spec_is_named(damage: dict[str, Any]) -> None:
    with pytest.raises(SpecMismatchError, match="the spec of an agiformer brain"):
        AgiformerSpec.from_json({**make().state().spec, **damage})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, "hidden_size = 16 does not divide into num_heads = 3"),
        ({"halting": True, "thinking_steps": 0}, "halting needs thinking_steps of at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make(**settings)


def test_presets_have_their_sizes_and_the_kind_takes_the_small_one() -> None:
    presets = {preset.name: preset.config.brain for preset in list_presets()}
    sizes = {}
    for name in ("agiformer", "agiformer-medium", "agiformer-large", "agiformer-patches"):
        settings = {key: value for key, value in presets[name].items() if key != "kind"}
        with torch.device("meta"):  # counted without memory
            network = AgiformerSpec.initial(AgiformerConfig(**settings)).network()
        sizes[name] = round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1)
    assert sizes == {
        "agiformer": 9.7, "agiformer-medium": 33.6, "agiformer-large": 88.5, "agiformer-patches": 9.9,
    }  # fmt: skip
    sizes = {name: presets[name]["patch_size"] for name in sizes}
    assert sizes == {"agiformer": 1, "agiformer-medium": 1, "agiformer-large": 1, "agiformer-patches": 4}
    assert AgiformerSpec.from_json(make(patch_size=4).spec.to_json()).config.patch_size == 4  # stored whole
    assert resolve_config(overrides={"brain.kind": "agiformer"}, environ={}).preset == "agiformer"


@torch.no_grad()
def test_a_site_declares_the_pace_at_which_its_units_are_active() -> None:
    brain = make(self_model_size=4)
    network, learner = network_of(brain), brain.learner
    assert {name.partition(".")[0] for name, site in learner.sites.items() if not site.per_patch} == {
        "decoder",
        "self_model",
    }
    symbols = symbols_of(TEXT)
    span = Span.beginning(*TEXT.shape, device=TEXT.device, dtype=learner.dtype)
    with recorded_activations(learner.layers) as activations:
        done = network(symbols, span, None)
        network.auxiliary(done, symbols.valid, learner.dtype)
    assert activations.keys() == learner.sites.keys()
    for name, activity in activations.items():
        read = network.read_by(learner.sites[name], done, symbols.valid)
        assert read.shape[1] - activity.shape[1] in (0, 1), name  # no state follows on the last
