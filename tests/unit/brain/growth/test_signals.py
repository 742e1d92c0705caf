"""The signals of a growth site."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from brain.growth.operators import widen
from brain.growth.signals import SiteProbe, calibrated_scale, probe_sites, read_signal
from tests.unit.brain.growth.growing_brain import ONE_SITE, batch, growing_mlp, learned, make


def probe(activity: torch.Tensor, **parts: Any) -> SiteProbe:
    count, units = activity.shape
    generator = torch.Generator().manual_seed(0)
    plain: dict[str, Any] = {
        "outgoing": torch.ones(units),
        "gradient": torch.randn(count, 3, generator=generator),
        "candidates": torch.randn(count, 4, generator=generator),
    }
    return SiteProbe(activity=activity, **plain | parts)


def noise(count: int, units: int) -> torch.Tensor:
    return torch.randn(count, units, generator=torch.Generator().manual_seed(1))


def test_units_of_little_activity_or_outgoing_weight_are_not_in_use() -> None:
    activity = noise(200, 10)
    activity[:, 0] *= 1e-3
    outgoing = torch.ones(10)
    outgoing[1:3] = 1e-3
    signal = read_signal(probe(activity, outgoing=outgoing))
    assert signal.utilisation == 0.7
    assert signal.dormant_share == 0.1
    assert probe(activity).dormant() == [0]
    assert read_signal(probe(activity, outgoing=torch.zeros(10))).utilisation == 0.0


def test_effective_rank_counts_directions_not_units() -> None:
    full, half = noise(4000, 8), noise(4000, 4).repeat(1, 2)
    assert 7.9 < 8 * read_signal(probe(full)).rank_share <= 8.0
    assert 3.9 < 8 * read_signal(probe(half)).rank_share <= 4.0


def test_gradient_that_no_elder_expresses_is_seen_and_what_one_expresses_is_not() -> None:
    activity, candidate = noise(500, 6), noise(900, 1)[400:]
    toward_new = probe(activity, gradient=candidate.expand(-1, 3), candidates=candidate)
    toward_old = probe(activity, gradient=activity[:, :3], candidates=activity[:, :1] + 1e-3 * candidate)
    assert read_signal(toward_new).unexpressed > 5
    assert read_signal(toward_old).unexpressed < 0.1


def test_a_look_changes_nothing_and_the_next_step_does_not_notice() -> None:
    looked, other = make(), make()
    for brain in (looked, other):
        learned(brain, 0, 5)
    state = torch.get_rng_state()
    probes = looked.probe_sites(batch(3), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert list(probes) == list(looked.sites())
    assert all(one.activity.shape[1] == looked.sites()[name].units for name, one in probes.items())
    assert learned(looked, 5, 8) == learned(other, 5, 8)
    own = other.state()
    for name, tensor in looked.state().learning.items():
        assert torch.equal(tensor, own.learning[name]), name


def test_a_look_is_the_same_whenever_it_is_taken() -> None:
    brain = make()
    learned(brain, 0, 5)
    first, second = (
        {n: read_signal(p) for n, p in brain.probe_sites(batch(3), torch.Generator().manual_seed(4)).items()}
        for _ in range(2)
    )
    assert first == second
    assert all(0.0 < signal.rank_share <= 1.0 and signal.unexpressed > 0 for signal in first.values())


@pytest.mark.parametrize("wanted", [0.2, 0.5])
def test_a_calibrated_pair_begins_with_the_wanted_share_of_an_older_units_gradient(wanted: float) -> None:
    mlp, loss = growing_mlp(12)
    probe = probe_sites({"mlp": mlp}, lambda: loss(mlp), torch.Generator().manual_seed(2))["mlp"]
    scale = calibrated_scale(wanted, probe)
    assert 0.02 < scale < 1.0
    weights = {name: weight.detach() for name, weight in mlp.named_parameters()}
    grown, _ = growing_mlp(12 + 64)
    growth = widen(weights, ONE_SITE, 64, newborns="pairs", pair_scale=scale, seed=3)
    grown.load_state_dict(growth.follow(weights))
    [gradient] = torch.autograd.grad(loss(grown), [grown.into.weight])
    norms = gradient.norm(dim=1)
    torch.testing.assert_close(norms[12::2], norms[13::2], rtol=1e-4, atol=1e-9)
    assert float(norms[12:].mean() / norms[:12].mean()) == pytest.approx(wanted, rel=0.3)


def test_pairs_are_never_stronger_than_their_parents_nor_too_weak_to_part() -> None:
    measured = probe(noise(50, 4))
    assert calibrated_scale(1.0, replace(measured, birth_gradient=4.0)) == 0.25
    assert calibrated_scale(1.0, replace(measured, birth_gradient=0.5)) == 1.0
    assert calibrated_scale(1.0, replace(measured, birth_gradient=0.0)) == 1.0
    assert calibrated_scale(1.0, replace(measured, birth_gradient=1e9)) == 0.02


def test_a_frozen_brain_is_looked_at_as_if_it_were_not() -> None:
    thawed, frozen = make(), make()
    for brain in (thawed, frozen):
        learned(brain, 0, 5)
    frozen.freeze("")
    seen, other = (
        brain.probe_sites(batch(3), torch.Generator().manual_seed(0)) for brain in (frozen, thawed)
    )
    assert {name: one.birth_gradient for name, one in seen.items()} == {
        name: one.birth_gradient for name, one in other.items()
    }
    assert all(one.birth_gradient > 0.0 for one in seen.values())
    assert not any(weight.requires_grad for weight in frozen.network.parameters())
