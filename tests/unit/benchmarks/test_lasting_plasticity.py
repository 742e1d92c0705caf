"""The measure of lasting plasticity: a phase is a source of its own, and steps to a threshold are counted right."""

from __future__ import annotations

import pytest
import torch

from benchmarks import lasting_plasticity
from benchmarks.lasting_plasticity import (
    ARMS,
    LONG,
    SHORT,
    SMOOTHED_STEPS,
    Length,
    Life,
    live,
    measure,
    smoothed,
    source,
    steps_to,
)
from benchmarks.rows import row_of

TEXT = torch.tensor(list(b"def f(x):\n    return x + 1\n" * 40), dtype=torch.uint8)


def test_the_smoothed_loss_is_the_mean_of_the_last_steps() -> None:
    curve = torch.arange(60.0, dtype=torch.float64)
    assert smoothed(curve)[0] == 0.0
    assert smoothed(curve)[9] == pytest.approx(4.5)
    assert smoothed(curve)[59] == pytest.approx(59 - (SMOOTHED_STEPS - 1) / 2)


def test_steps_are_counted_to_the_first_smoothed_loss_at_the_threshold() -> None:
    curve = torch.cat([torch.full((50,), 3.0), torch.full((100,), 1.0)])
    # By then more of the window is below than above.
    assert steps_to(2.0, curve) == 50 + SMOOTHED_STEPS // 2 + 1
    assert steps_to(0.5, curve) == 150


def test_each_phase_has_an_alphabet_of_its_own_and_is_the_same_again() -> None:
    first, again, other = (torch.cat([b.bytes for b in source(TEXT, n, 2, 7)], dim=1) for n in (3, 3, 4))
    assert torch.equal(first, again)
    assert set(first.flatten().tolist()) != set(other.flatten().tolist())
    # The same letters at the same places, under other names.
    assert len(set(first.flatten().tolist())) <= len(set(TEXT.tolist()))


def test_every_arm_lives_and_is_judged_in_the_last_phases() -> None:
    length = Length(phases=2, phase_steps=40, judged_phases=1, new_brains=1, seeds=(0,))
    new_steps, lives = live(TEXT, length, 0)
    assert len(new_steps) == 1
    assert SMOOTHED_STEPS < new_steps[0] <= 30
    assert set(lives) == set(ARMS)
    for life in lives.values():
        assert len(life.steps) == 1
        assert 0.0 <= life.health["dormant_share"] < 1.0
        assert life.health["effective_rank"] > 0.0
    assert lives["naive"].health["renewed"] == 0.0


def test_the_figure_is_the_mean_over_five_seeds_and_shows_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(set(SHORT.seeds)) == len(set(LONG.seeds)) == 5

    def fake(_text: torch.Tensor, _length: Length, seed: int) -> tuple[list[int], dict[str, Life]]:
        lives = {name: Life(steps=[200]) for name in ARMS}
        return [100], {**lives, "ours": Life(steps=[100 + seed])}

    monkeypatch.setattr(lasting_plasticity, "live", fake)
    length = Length(phases=30, phase_steps=500, judged_phases=1, new_brains=1, seeds=(0, 10))
    result = measure(length)
    assert result.ours == pytest.approx(1.05)
    assert result.peers == dict.fromkeys(
        ("naive", "continual backprop", "self-normalised resets", "spectral regularisation"), 2.0
    )
    assert result.details["note"] == "Ours by seed: 1.00, 1.10."
    long = measure(length, long=True)
    assert (long.details["note"], "one seed" in long.measures) == ("Ours by seed: 1.00, 1.10.", False)
    row = row_of("lasting_plasticity")
    assert row is not None
    assert set(row.beside) == set(result.peers)
    assert "after 15,000 steps" in result.measures
