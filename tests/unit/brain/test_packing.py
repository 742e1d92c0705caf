"""A ternary brain in few bits: what comes back is what it computes with, in a twelfth of the room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch

from brain.build import build_brain
from brain.online.ternary_once import hold
from brain.optim.config import OptimizerConfig
from brain.packing import (
    FLOAT_BYTES,
    PackingError,
    SignsPerByte,
    float_bytes,
    pack,
    pack_within_share,
    unpack,
)

if TYPE_CHECKING:
    from brain.online.online_brain import OnlineBrain

CPU = torch.device("cpu")


def brain(*, seed: int = 0, **settings: Any) -> OnlineBrain[Any]:
    config = {"hidden_size": 16, "layers": ["mingru", "attention", "ssd"], "num_heads": 2, "window": 24}
    config |= {"bigram_size": 4, "self_model_size": 8, "precision": "fp32", "ternary": True}
    built = build_brain(
        "synapse", config | settings, optimizer=OptimizerConfig(), lanes=2, device=CPU, seed=seed
    )
    made = cast("OnlineBrain[Any]", built)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():  # as if it had learned: of a newborn, heads and tables are zero
        for weight in made.network.parameters():
            weight.add_(torch.randn(weight.shape, generator=drawn), alpha=0.1)
    return made


def scored(one: OnlineBrain[Any]) -> torch.Tensor:
    rows = torch.randint(0, 255, (3, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    return one.score(rows, torch.ones_like(rows, dtype=torch.bool))


def restored(one: OnlineBrain[Any], weights: dict[str, torch.Tensor], **settings: Any) -> OnlineBrain[Any]:
    other = brain(seed=5, **settings)
    other.load(replace(one.state(), model=weights))
    return other


@pytest.mark.parametrize("per_byte", [4, 5])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_unpacked_weights_give_the_bits_of_the_brain_that_learned(
    per_byte: SignsPerByte, precision: str
) -> None:
    learned = brain(bigram_size=0, precision=precision)
    packed = pack(learned.network, learned.state().model, per_byte=per_byte, table_bits=8)
    again = restored(learned, unpack(packed), bigram_size=0, precision=precision)
    assert torch.equal(scored(again), scored(learned))
    hold(again.network, again.learner.dtype)
    assert torch.equal(scored(again), scored(learned))


def test_what_was_unpacked_is_packed_alike() -> None:
    learned = brain()
    once = pack(learned.network, learned.state().model, per_byte=5, table_bits=2)
    again = pack(learned.network, unpack(once), per_byte=5, table_bits=2)
    matrices = [name for name, form in once.layout.items() if form["form"] == "ternary"]
    names = [name for name in once.tensors if name.split("|")[0] in matrices]
    assert names
    assert all(torch.equal(once.tensors[name], again.tensors[name]) for name in names)


@pytest.mark.parametrize(("bits", "off"), [(8, 0.005), (4, 0.08), (2, 0.6)])
def test_a_table_keeps_the_rows_it_has(bits: Any, off: float) -> None:
    learned = brain()
    table = learned.network.get_parameter("bigram.table.weight").data
    table[1000:] = 0
    packed = pack(learned.network, learned.state().model, per_byte=5, table_bits=bits)
    back = unpack(packed)["bigram.table.weight"]
    assert packed.tensors["bigram.table.weight|scale"].shape == (1000, 1)
    assert not back[1000:].any()
    assert ((back - table).norm() / table.norm()).item() < off


def test_a_table_without_rows_comes_back() -> None:
    learned = brain()
    learned.network.get_parameter("bigram.table.weight").data.zero_()
    for bits in (8, 4, 2):
        packed = pack(learned.network, learned.state().model, per_byte=4, table_bits=bits)
        assert not unpack(packed)["bigram.table.weight"].any()


@pytest.mark.parametrize(("rows", "bits"), [(9_000, 8), (30_000, 4), (65_536, 2)])
def test_the_default_shape_takes_a_twelfth_with_as_many_bits_as_fit(rows: int, bits: int) -> None:
    learned = brain(
        hidden_size=128, layers=["mingru", "attention"] * 2, num_heads=None, bigram_size=64, window=256
    )
    learned.network.get_parameter("bigram.table.weight").data[rows:] = 0
    weights = learned.state().model
    packed = pack_within_share(learned.network, weights, per_byte=5)
    assert packed.layout["bigram.table.weight"]["bits"] == bits
    assert packed.num_bytes <= float_bytes(weights) / 12


def test_matrices_take_the_bits_they_should() -> None:
    learned = brain(hidden_size=64)
    for per_byte, most in ((4, 2.0), (5, 1.6)):
        packed = pack(
            learned.network, learned.state().model, per_byte=cast("SignsPerByte", per_byte), table_bits=8
        )
        for name, form in packed.layout.items():
            if form["form"] == "ternary":
                rows, columns = form["shape"]
                assert packed.tensors[f"{name}|signs"].numel() == -(-rows * columns * most // 8)


def test_what_was_not_packed_so_is_refused() -> None:
    learned = brain()
    packed = pack(learned.network, learned.state().model, per_byte=5, table_bits=8)
    name = next(name for name, form in packed.layout.items() if form["form"] == "ternary")
    for part, wrong in (
        ("signs", packed.tensors[f"{name}|signs"][:-1]),
        ("signs", packed.tensors[f"{name}|signs"].float()),
        ("row_scale", packed.tensors[f"{name}|row_scale"][:-1]),
    ):
        broken = replace(packed, tensors={**packed.tensors, f"{name}|{part}": wrong})
        with pytest.raises(PackingError, match=name):
            unpack(broken)
    lacking = {one: tensor for one, tensor in packed.tensors.items() if one != f"{name}|signs"}
    with pytest.raises(PackingError, match=name):
        unpack(replace(packed, tensors=lacking))
    with pytest.raises(PackingError):
        unpack(replace(packed, layout={**packed.layout, name: {"form": "another"}}))
    assert FLOAT_BYTES == 4
