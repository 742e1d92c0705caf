from __future__ import annotations

import pytest
import torch
from torch import Tensor

from brain.blocks.scan import doubling_scan, linear_scan, sequential_scan
from tests.naive_recurrences import naive_scan


def case(length: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(length)
    decay = torch.rand(2, length, 3, generator=generator, dtype=dtype)
    write = torch.randn(2, length, 3, generator=generator, dtype=dtype)
    return decay, write, torch.randn(2, 3, generator=generator, dtype=dtype)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 33])
@pytest.mark.parametrize("scan", [sequential_scan, doubling_scan, linear_scan])
def test_all_forms_agree(scan: object, length: int) -> None:
    decay, write, initial = case(length)
    assert callable(scan)
    torch.testing.assert_close(scan(decay, write, initial), naive_scan(decay, write, initial))


@pytest.mark.parametrize("scan", [sequential_scan, doubling_scan])
def test_backwards_is_forwards_on_the_mirror_image(scan: object) -> None:
    decay, write, initial = case(13)
    assert callable(scan)
    mirrored = naive_scan(decay.flip(1), write.flip(1), initial).flip(1)
    torch.testing.assert_close(scan(decay, write, initial, reverse=True), mirrored)


@pytest.mark.parametrize("length", [1, 6])
def test_gradients(length: int) -> None:
    arguments = tuple(t.requires_grad_() for t in case(length))
    assert torch.autograd.gradcheck(linear_scan, arguments)


@pytest.mark.parametrize("scan", [sequential_scan, doubling_scan])
def test_channels_can_share_their_decay(scan: object) -> None:
    _, write, initial = case(9)
    decay = case(9)[0][..., :1]
    assert callable(scan)
    torch.testing.assert_close(scan(decay, write, initial), naive_scan(decay, write, initial))


def test_gradient_of_the_beginning_is_left_out_when_nobody_asks() -> None:
    decay, write, initial = case(5)
    linear_scan(decay.requires_grad_(), write, initial).sum().backward()  # type: ignore[no-untyped-call]
    assert initial.grad is None
    assert decay.grad is not None


def test_strong_gates_keep_their_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    decay = torch.sigmoid(8 * torch.randn(2, 256, 16, generator=generator, dtype=torch.float64))
    write = torch.randn(2, 256, 16, generator=generator, dtype=torch.float64) * (1 - decay)
    exact = naive_scan(decay, write, torch.zeros(2, 16, dtype=torch.float64))
    single = linear_scan(decay.float(), write.float(), torch.zeros(2, 16))
    assert (single - exact).abs().max() < 2e-6
