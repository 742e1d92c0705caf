"""Signs and ternary matrices of any shape come back as they were."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from brain.blocks.ternary import ternary
from brain.packing import SignsPerByte, pack_signs, unpack_signs


@given(signs=st.lists(st.integers(-1, 1), max_size=60), per_byte=st.sampled_from([4, 5]))
def test_signs_come_back(signs: list[int], per_byte: SignsPerByte) -> None:
    packed = pack_signs(torch.tensor(signs, dtype=torch.float32), per_byte)
    assert packed.numel() == -(-len(signs) // per_byte)
    assert unpack_signs(packed, len(signs), per_byte).tolist() == signs


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 200),
    existing=st.integers(1, 200),
    spread=st.sampled_from([1e-30, 1e-3, 1.0, 1e20]),
    seed=st.integers(0, 2**32),
)
def test_a_matrix_made_ternary_twice_is_the_same(
    rows: int, columns: int, existing: int, spread: float, seed: int
) -> None:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * spread
    once = ternary(weight, min(existing, columns))
    assert torch.equal(ternary(once.weight(), min(existing, columns)).weight(), once.weight())
