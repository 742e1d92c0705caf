"""What of every brain can grow or be frozen does so without a change, and outlives a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from brain.build import brain_from_spec, can_be_ternary
from brain.capabilities import Answering, Growable, Labelling, Observable, Packable, Thinking, Twinned
from brain.errors import SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.online.online_brain import OnlineBrain
from brain.optim.config import OptimizerConfig
from brain.registry import brains
from brain.tensors import sha256_of
from tests.contract.cases import (
    CASES,
    LABELLED,
    LANES,
    TINY,
    Case,
    assert_same,
    batches,
    copied,
    everything,
    make,
)


def test_a_site_that_is_widened_changes_nothing_and_learns_on(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, Growable) or not brain.sites():
        pytest.skip("this brain does not grow")
    growable: Growable = brain
    for batch in batches(6):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    before, neurons = brain.score(rows, mask), brain.num_neurons()
    for site in growable.sites():
        probes = growable.probe_sites(batches(1)[0], torch.Generator().manual_seed(0))
        assert probes[site].activity.shape[1] == growable.sites()[site].units
        plan = GrowthPlan(operator="widen", site=site, units=4, trigger="by_hand", reason="a test")
        apply_growth(growable, plan, max_neurons=10_000)
    torch.testing.assert_close(brain.score(rows, mask), before, rtol=2e-3, atol=2e-3)
    assert brain.num_neurons() == neurons + 4 * len(growable.sites())
    stored = copied(brain.state())
    again = brain_from_spec(
        stored.spec, optimizer=OptimizerConfig(warmup_steps=2), lanes=LANES, device=case[2], seed=5
    )
    again.load(stored)
    for batch in batches(3, seed=9):
        assert brain.learn(batch).loss == again.learn(batch).loss
    assert_same(brain, again)


@pytest.mark.parametrize("kind", [entry.name for entry in brains])
def test_a_kind_declares_what_it_can_do_before_it_is_built(kind: str) -> None:
    brain = make(kind, {**TINY, **LABELLED}[kind][0], torch.device("cpu"))
    entry = brains.get(kind)
    assert entry.can_grow == isinstance(brain, Growable)
    assert entry.observable == isinstance(brain, Observable)
    assert entry.answers == isinstance(brain, Answering)
    assert entry.needs_labels == isinstance(brain, Labelling)
    assert isinstance(brain, Packable) or not can_be_ternary(kind)
    assert isinstance(brain, Thinking) == (kind == "agiformer")


def test_a_twin_learns_as_the_brain_would_and_shares_nothing_with_it(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, Twinned):
        pytest.skip("this brain has no twin")
    for batch in batches(3):
        brain.learn(batch)
    before, random = copied(brain.state()), torch.get_rng_state()
    twin = brain.twin()
    first = [twin.learn(batch).loss for batch in batches(3, seed=9)]
    again = brain.twin(copied(twin.state()))
    second = [twin.learn(batch).loss for batch in batches(2, seed=10)]
    assert [again.learn(batch).loss for batch in batches(2, seed=10)] == second
    assert_same(again, twin)
    assert torch.equal(torch.get_rng_state(), random)
    kept, now = {**before.model, **before.learning}, everything(brain)
    assert [name for name in kept if not torch.equal(kept[name], now[name])] == []
    assert [brain.learn(batch).loss for batch in batches(3, seed=9)] == first
    assert [brain.learn(batch).loss for batch in batches(2, seed=10)] == second


def test_what_is_frozen_by_hand_stays_so_after_a_restart(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, OnlineBrain):
        pytest.skip("nothing of this brain can be frozen")
    brain.learn(batches(1)[0])
    # Of a branch that ends in a frozen zero nothing would learn.
    names = brain.freeze(min(name for name, weight in brain.state().model.items() if weight.any()))
    stored = copied(brain.state())
    again = brain_from_spec(
        stored.spec, optimizer=OptimizerConfig(warmup_steps=2), lanes=LANES, device=case[2], seed=5
    )
    again.load(stored)
    for batch in batches(3):
        again.learn(batch)
    after = again.state().model
    assert names
    assert {name for name in after if torch.equal(after[name], stored.model[name])} == set(names)


@pytest.mark.parametrize("case", [case for case in CASES if case[1].get("base")], indirect=True)
def test_a_base_is_kept_apart_and_never_moves(case: Case) -> None:
    brain = make(*case)
    base = brain.state().base
    assert base is not None
    before = {name: tensor.clone() for name, tensor in base.tensors.items()}
    for batch in batches(3):
        brain.learn(batch)
    after = brain.state()
    assert after.base is not None
    assert after.base.sha256 == base.sha256 == sha256_of(before)
    owners = {part for name in (*after.model, *after.learning) for part in name.split("|")}
    assert owners.isdisjoint(before)
    stored = copied(after)
    again = brain_from_spec(stored.spec, optimizer=OptimizerConfig(), lanes=LANES, device=case[2], seed=5)
    with pytest.raises(SpecMismatchError, match="base tensor"):
        again.load(replace(stored, base=None))
    again.load(stored)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    assert torch.equal(again.score(rows, mask), brain.score(rows, mask))
