"""Dormant share, effective rank and weight norm over what the hidden units of a brain say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from brain.plasticity.activations import evenly, recorded_activations
from brain.vitals.config import DormantShareConfig, EffectiveRankConfig, WeightNormConfig
from brain.vitals.live_sign import UNSUPPORTED
from brain.vitals.signs.dormant_share import DormantShareSign
from brain.vitals.signs.effective_rank import EffectiveRankSign
from brain.vitals.signs.weight_norm import WeightNormSign
from tests.unit.brain.growth.growing_brain import batch, make
from tests.unit.brain.vitals.networks import Network, moment, report

if TYPE_CHECKING:
    from brain.ports import Reading


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def read(sign: Any, *, step: int = 1, **units: Tensor) -> Reading:
    evidence = {f"units|{site}": activations for site, activations in units.items()}
    now = moment(Network(), step, report=report(**evidence))
    sign.observe(now)
    reading: Reading = sign.measure(now)
    return reading


def test_units_with_next_to_no_activity_are_dormant() -> None:
    first, second = drawn(800, 10), drawn(800, 30, seed=1)
    first[:, :4] = 0.0
    second[:, 7] *= 1e-3
    reading = read(DormantShareSign(DormantShareConfig()), first=first, second=second)
    assert reading.value == pytest.approx(5 / 40)
    assert reading.uncertainty == 0.0  # whichever part of the text is left out, the same five
    assert (reading.samples, reading.version) == (800, "1 threshold=0.025")
    assert reading.detail["site.first"] == pytest.approx(0.4)


def test_a_unit_that_wakes_for_a_part_of_the_text_makes_the_share_uncertain() -> None:
    activations = drawn(800, 20)
    activations[100:, 0] = 0.0
    activations[:100, 0] *= 0.3
    reading = read(DormantShareSign(DormantShareConfig(threshold=0.036)), only=activations)
    assert reading.uncertainty is not None
    assert reading.uncertainty > 0.0


def test_effective_rank_of_known_directions_each_site_in_its_turn() -> None:
    sign = EffectiveRankSign(EffectiveRankConfig())
    directions = torch.linalg.qr(drawn(20, 20))[0][:2]
    thin = drawn(1000, 2) @ directions
    units = {"thin": thin, "wide": drawn(1000, 60, seed=1)}
    assert "1 of 2 sites" in str(read(sign, **units).reason)
    reading = read(sign, step=2, **units)
    assert reading.value is not None
    assert reading.detail["site.thin"] == pytest.approx(2 / 20, rel=0.01)
    assert reading.detail["site.wide"] > 0.97
    assert reading.value == pytest.approx((20 * 0.1 + 60 * reading.detail["site.wide"]) / 80, rel=1e-3)
    assert reading.uncertainty is None  # each site was looked at once
    read(sign, step=3, **units)
    again = read(sign, step=4, **units)
    assert again.uncertainty == pytest.approx(0.0, abs=1e-9)


def test_effective_rank_continues_after_a_restart() -> None:
    sign, resumed = EffectiveRankSign(EffectiveRankConfig()), EffectiveRankSign(EffectiveRankConfig())
    for step in range(1, 4):
        read(sign, step=step, first=drawn(100, 8, seed=step), second=drawn(100, 4, seed=step))
    resumed.load_tensors(sign.state_tensors())
    fresh = {"first": drawn(100, 8, seed=9), "second": drawn(100, 4, seed=9)}
    own, other = read(sign, step=4, **fresh), read(resumed, step=4, **fresh)
    assert (own.value, own.uncertainty, own.detail) == (other.value, other.uncertainty, other.detail)


def test_activity_that_is_not_finite_is_named() -> None:
    activations = drawn(100, 8)
    activations[:10] = torch.nan
    for sign in (DormantShareSign(DormantShareConfig()), EffectiveRankSign(EffectiveRankConfig())):
        reading = read(sign, hidden=activations)
        assert reading.value is None
        assert reading.reason == "10% of the activations of hidden are not finite"


def test_a_brain_without_hidden_units_has_none_of_the_three() -> None:
    signs = (
        DormantShareSign(DormantShareConfig()),
        EffectiveRankSign(EffectiveRankConfig()),
        WeightNormSign(WeightNormConfig()),
    )
    for sign in signs:
        reading = read(sign)
        assert str(reading.reason).startswith("this brain ")
        assert reading.detail == {UNSUPPORTED: 1.0}


def test_a_live_brain_shows_its_units_and_weights() -> None:
    brain = make()
    signs = (
        DormantShareSign(DormantShareConfig()),
        EffectiveRankSign(EffectiveRankConfig(sites_per_tick=99)),
        WeightNormSign(WeightNormConfig()),
    )
    now = moment(brain, 1, report=brain.learn(batch(0)))
    for sign in signs:
        sign.observe(now)
    dormant, rank, norm = (sign.measure(now) for sign in signs)
    assert dormant.detail["units"] == rank.detail["units"] == brain.num_neurons()
    assert dormant.value is not None
    assert dormant.value < 0.1
    assert rank.value is not None
    assert 0.1 < rank.value < 1.0
    model = brain.state().model
    names = [f"blocks.0.mixer.{part}.weight" for part in ("gate", "candidate", "out")]
    names += [
        f"{mlp}.{part}.weight"
        for mlp in ("blocks.0.mlp", "blocks.1.mlp", "self_model")
        for part in ("into", "out")
    ]
    entries = torch.cat([model[name].flatten() for name in names])
    assert norm.value == pytest.approx(float(entries.square().mean().sqrt()))
    assert norm.samples == len(entries)


def test_recording_covers_one_pass_and_no_more() -> None:
    brain = make()
    sites = brain.learner.layers
    with recorded_activations(sites) as recorded:
        brain.learn(batch(0))
    assert {site: activations.shape[-1] for site, activations in recorded.items()} == dict(brain.spec.sites)
    before = dict(recorded)
    brain.learn(batch(0))
    assert all(recorded[site] is before[site] for site in recorded)


def test_positions_are_valid_and_evenly_spread() -> None:
    activations = torch.arange(12.0).view(2, 6, 1)
    valid = torch.ones(2, 6, dtype=torch.bool)
    valid[0, 3:] = False
    assert evenly(activations, valid).flatten().tolist() == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert evenly(activations, valid, most=3).flatten().tolist() == [0, 6, 9]
    assert evenly(activations[:, :5], valid).flatten().tolist() == [0, 1, 2, 6, 7, 8, 9, 10]
