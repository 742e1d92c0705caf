"""Renewing units: the least useful mature ones, their moments forgotten, exactly resumed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from brain.growth.site import Site
from brain.plasticity.config import PlasticityConfig
from brain.plasticity.continual_backprop import ContinualBackprop
from brain.plasticity.unit_slices import UnitSlices

UNITS, INPUTS, OUTPUTS = 6, 4, 3
SITES = {"hidden": Site(units=UNITS, incoming=("into", "bias"), outgoing=("out",), next_bias="next")}


def tensors_of(*, population: int | None = None, seed: int = 0) -> tuple[UnitSlices, dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    lead = () if population is None else (population,)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*lead, *shape, generator=draw)

    own = {
        "into": drawn(UNITS, INPUTS),
        "bias": drawn(UNITS),
        "out": drawn(OUTPUTS, UNITS),
        "next": drawn(OUTPUTS),
    }
    own |= {f"{name}|avg": torch.ones_like(own[name]) for name in ("into", "bias", "out")}
    own["start"] = own["into"].clone()
    tensors = UnitSlices(
        weights=own,
        moments={name: (own[f"{name}|avg"],) for name in ("into", "bias", "out")},
        followers={"into": (own["start"],)},
        spread={"into": 0.5},
    )
    return tensors, own


def activations_of(own: dict[str, Tensor], inputs: Tensor) -> Tensor:
    return (inputs @ own["into"].transpose(-1, -2) + own["bias"].unsqueeze(-2)).relu()


def test_the_least_useful_mature_unit_is_renewed_and_no_other() -> None:
    tensors, own = tensors_of()
    own["out"][:, 4] = 1e-6
    before = {name: tensor.clone() for name, tensor in own.items()}
    config = PlasticityConfig(replacement_rate=0.05, maturity_steps=3)
    recycling = ContinualBackprop(SITES, tensors, config, seed=1)
    renewals = []
    for _ in range(7):  # three to mature, then .05 × 6 a step: a whole unit is due after four
        recycling.observe([torch.ones(2, UNITS)])
        renewals.append([renewal.units.nonzero().flatten().tolist() for renewal in recycling.renew()])
    assert renewals == [[], [], [], [], [], [], [[4]]]
    others = torch.arange(UNITS) != 4
    assert torch.equal(own["into"][others], before["into"][others])
    assert torch.equal(own["out"][:, others], before["out"][:, others])
    assert not torch.equal(own["into"][4], before["into"][4])
    assert torch.equal(own["start"][4], own["into"][4])
    assert bool((own["out"][:, 4] == 0).all())
    assert own["bias"][4] == 0
    for name in ("into|avg", "bias|avg"):
        assert bool((own[name][4] == 0).all())
        assert bool((own[name][others] == 1).all())
    assert bool((own["out|avg"][:, 4] == 0).all())
    # Its mean activation is now part of the next bias.
    torch.testing.assert_close(own["next"], before["next"] + before["out"][:, 4])


def test_a_newborn_is_left_alone_until_it_is_mature() -> None:
    tensors, own = tensors_of()
    recycling = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.5, maturity_steps=10), seed=1
    )
    last: dict[int, int] = {}
    for step in range(200):
        recycling.observe([activations_of(own, torch.ones(1, INPUTS))])
        for renewal in recycling.renew():
            for unit in renewal.units.nonzero().flatten().tolist():
                assert step - last.get(unit, -100) > 10
                last[unit] = step
    assert len(last) == UNITS


def test_the_share_renewed_is_the_rate() -> None:
    tensors, own = tensors_of(population=3)
    recycling = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.01, maturity_steps=0), seed=1
    )
    total = 0
    for _ in range(1000):
        recycling.observe([activations_of(own, torch.ones(3, 1, INPUTS))])
        total += sum(renewal.num_units for renewal in recycling.renew())
    assert total == pytest.approx(3 * 1000 * UNITS * 0.01, rel=0.03)


def test_networks_side_by_side_are_renewed_each_by_itself() -> None:
    tensors, own = tensors_of(population=2)
    own["out"][0, :, 1] = 0.0
    own["out"][1, :, 5] = 0.0
    recycling = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.17, maturity_steps=1), seed=1
    )
    renewals = []
    for _ in range(2):
        recycling.observe([torch.ones(2, 1, UNITS)])
        renewals += recycling.renew()
    assert [renewal.units.nonzero().tolist() for renewal in renewals] == [[[0, 1], [1, 5]]]


def test_a_unit_that_only_shifts_a_bias_counts_for_little_when_adaptable() -> None:
    tensors, own = tensors_of()
    own["out"].fill_(1.0)
    own["into"].fill_(1.0)
    draw = torch.Generator().manual_seed(0)
    found = {}
    for kind in ("contribution", "adaptable"):
        config = PlasticityConfig(utility="adaptable" if kind == "adaptable" else "contribution")
        recycling = ContinualBackprop(SITES, tensors, config, seed=1)
        for _ in range(300):
            activity = torch.rand(8, UNITS, generator=draw)
            activity[:, 2] = 5.0  # loud, but always the same
            recycling.observe([activity])
        found[kind] = recycling.utility("hidden")
    assert int(found["contribution"].argmax()) == 2
    assert int(found["adaptable"].argmin()) == 2


def test_nothing_is_renewed_at_a_rate_of_zero() -> None:
    tensors, own = tensors_of()
    before = own["into"].clone()
    recycling = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.0, maturity_steps=0), seed=1
    )
    for _ in range(50):
        recycling.observe([activations_of(own, torch.ones(1, INPUTS))])
        assert recycling.renew() == []
    assert torch.equal(own["into"], before)


def test_units_chosen_by_others_are_renewed_at_once() -> None:
    tensors, own = tensors_of()
    recycling = ContinualBackprop(SITES, tensors, PlasticityConfig(), seed=1)
    chosen = torch.zeros(UNITS, dtype=torch.bool)
    chosen[[0, 3]] = True
    assert recycling.renew_units("hidden", chosen).num_units == 2
    assert bool((own["out"][:, chosen] == 0).all())
    with pytest.raises(KeyError, match="elsewhere"):
        recycling.renew_units("elsewhere", chosen)


def test_half_and_half_equals_the_whole() -> None:
    config = PlasticityConfig(replacement_rate=0.02, maturity_steps=5)
    inputs = torch.randn(100, 2, INPUTS, generator=torch.Generator().manual_seed(3))

    def run(recycling: ContinualBackprop, own: dict[str, Tensor], steps: range) -> None:
        for step in steps:
            recycling.observe([activations_of(own, inputs[step])])
            recycling.renew()

    tensors, whole = tensors_of()
    run(ContinualBackprop(SITES, tensors, config, seed=1), whole, range(100))
    tensors, first = tensors_of()
    half = ContinualBackprop(SITES, tensors, config, seed=1)
    run(half, first, range(47))
    stored = {name: tensor.clone() for name, tensor in half.tensors().items()}
    tensors, second = tensors_of(seed=9)
    for name, tensor in second.items():
        tensor.copy_(first[name])
    resumed = ContinualBackprop(SITES, tensors, config, seed=77)
    resumed.load(stored)
    run(resumed, second, range(47, 100))
    assert [name for name in whole if not torch.equal(whole[name], second[name])] == []


@pytest.mark.parametrize(
    ("setting", "value"), [("replacement_rate", 1.0), ("l2_init", -1.0), ("perturb_every_steps", 0)]
)
def test_a_setting_that_cannot_be_is_named(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=setting):
        PlasticityConfig(**{setting: value})  # type: ignore[arg-type]


def test_at_a_rate_of_0_nobody_is_renewed_whatever_was_due_before() -> None:
    tensors, own = tensors_of()
    eager = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.9, maturity_steps=0), seed=0
    )
    still = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.0, maturity_steps=0), seed=0
    )
    activity = [activations_of(own, torch.randn(5, INPUTS, generator=torch.Generator().manual_seed(1)))]
    eager.observe(activity)
    for due in (one for name, one in eager.tensors().items() if name.endswith(".due")):
        due.fill_(3.0)
    still.load(eager.tensors())
    assert eager.choose() != []
    assert still.choose() == []
    assert still.renew() == []


def test_only_networks_that_learn_have_units_renewed() -> None:
    tensors, own = tensors_of(population=3)
    renewing = ContinualBackprop(
        SITES, tensors, PlasticityConfig(replacement_rate=0.9, maturity_steps=0), seed=0
    )
    activity = [activations_of(own, torch.randn(3, 5, INPUTS, generator=torch.Generator().manual_seed(1)))]
    before = {name: tensor.clone() for name, tensor in own.items()}
    renewing.observe(activity)
    [renewal] = renewing.renew(torch.tensor([True, False, True]))
    assert renewal.units.any(1).tolist() == [True, False, True]
    assert all(torch.equal(before[name][1], tensor[1]) for name, tensor in own.items())
