"""Buffers are kept as long as they fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from daemon.checkpoint.snapshot import Buffers, current_environment
from tests.unit.daemon.checkpoint.samples import tiny


def test_the_same_memory_is_used_again_until_a_shape_changes() -> None:
    buffers = Buffers()
    first = buffers.take(tiny(1, arrays={}))
    second = buffers.take(tiny(2, arrays={}))
    assert first.model["bias"].data_ptr() == second.model["bias"].data_ptr()
    assert second.model["bias"].tolist() == [2.0] * 5
    grown = buffers.take(tiny(3, model={"bias": torch.ones(6)}, tied=(), arrays={}))
    assert grown.model["bias"].shape == (6,)
    assert grown.learning["carried|h"].data_ptr() == first.learning["carried|h"].data_ptr()
    wider = buffers.take(tiny(3, model={"bias": torch.ones(6, dtype=torch.float64)}, tied=(), arrays={}))
    assert wider.model["bias"].dtype == torch.float64


def test_a_copy_shares_nothing_with_what_lives() -> None:
    live = tiny(4)
    copy = Buffers().take(live)
    live.model["bias"].zero_()
    live.arrays["row"][:] = -1
    assert copy.model["bias"].tolist() == [4.0] * 5
    assert copy.arrays["row"].tolist() == [0, 1, 2, 3]


def test_tied_tensors_are_copied_once() -> None:
    copy = Buffers().take(tiny())
    assert set(copy.model) == {"embed", "bias"}
    assert copy.tied == (("embed", "head"),)


def test_parameters_and_strided_views_are_copied() -> None:
    weight = torch.nn.Parameter(torch.randn(4, 6))
    copy = Buffers().take(tiny(model={"w": weight, "half": weight[:, ::2]}, tied=()))
    assert torch.equal(copy.model["half"], weight[:, ::2])
    assert not copy.model["w"].requires_grad


def test_views_that_only_look_contiguous_are_copied() -> None:
    pair = torch.tensor([1 + 2j, 3 - 4j])
    odd = {
        "repeated": torch.arange(3)[1:2].expand(1),
        "stride_0": torch.tensor(5).expand(1),
        "conjugate": pair.conj(),
        "negative": pair.conj().imag,
    }
    copy = Buffers().take(tiny(model=odd, tied=()))
    for name, tensor in odd.items():
        assert torch.equal(copy.model[name], tensor), name
        assert not copy.model[name].is_conj(), name


def test_an_array_of_records_is_refused() -> None:
    with pytest.raises(ValueError, match="plain numbers"):
        Buffers().take(tiny(arrays={"x": np.zeros(2, dtype=[("a", "i4"), ("b", "f4")])}))


def test_the_environment_is_this_process() -> None:
    here = current_environment("cpu", world_size=2)
    assert here.torch == torch.__version__
    assert (here.threads, here.world_size) == (torch.get_num_threads(), 2)
