"""Measures of plasticity against answers known beforehand."""

from __future__ import annotations

import pytest
import torch

from brain.plasticity.health import dormant_share, effective_rank, weight_norm
from brain.plasticity.regularize import pull_to_start, shrink_and_perturb


def test_a_unit_is_dormant_below_a_share_of_its_layers_mean() -> None:
    activity = torch.ones(10, 8)
    activity[:, 0] = 0.0
    activity[:, 1] = 0.01
    activity[:, 2] = -1.0
    assert dormant_share(activity) == 0.25
    assert dormant_share(activity, threshold=0.0) == 0.125


def test_a_silent_layer_is_dormant_throughout() -> None:
    assert dormant_share(torch.zeros(4, 5)) == 1.0


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_the_effective_rank_of_equal_directions_is_their_number(rank: int) -> None:
    draw = torch.Generator().manual_seed(0)
    left = torch.linalg.qr(torch.randn(40, rank, generator=draw))[0]
    right = torch.linalg.qr(torch.randn(16, rank, generator=draw))[0]
    assert effective_rank(left @ right.T) == pytest.approx(rank, abs=1e-3)


def test_the_effective_rank_of_silence_is_zero() -> None:
    assert effective_rank(torch.zeros(3, 3)) == 0.0


def test_weight_norm_does_not_depend_on_how_weights_are_cut() -> None:
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    assert weight_norm([weight]) == pytest.approx(weight_norm([weight[:2], weight[2:]]))
    assert weight_norm([]) == 0.0


def test_drawn_back_all_the_way_is_the_start() -> None:
    weight, start = torch.tensor([4.0, -2.0]), torch.tensor([1.0, 1.0])
    for _ in range(200):
        pull_to_start(weight, start, 0.1)
    torch.testing.assert_close(weight, start)


def test_noise_keeps_a_shrinking_weight_alive() -> None:
    draw, weight = torch.Generator().manual_seed(0), torch.full((2000,), 50.0)
    for _ in range(400):
        shrink_and_perturb(weight, shrink=0.05, noise=torch.randn(2000, generator=draw) * 0.1)
    # The spread of x ← (1 − s) x + p ξ comes to rest at p / √(1 − (1 − s)²).
    assert float(weight.std()) == pytest.approx(0.1 / (1 - 0.95**2) ** 0.5, rel=0.1)
    assert abs(float(weight.mean())) < 0.05
