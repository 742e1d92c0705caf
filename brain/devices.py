"""What a device can do, so that a brain is born, learns and is measured on every one of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_WITHOUT_FLOAT64 = frozenset({"mps"})


def has_float64(device: torch.device) -> bool:
    """Whether tensors that lie there may be float64.

    >>> has_float64(torch.device("cpu")), has_float64(torch.device("mps"))
    (True, False)
    """
    return device.type not in _WITHOUT_FLOAT64


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float64, where it lies if float64 is known there, else on the CPU."""
    return (tensor if has_float64(tensor.device) else tensor.cpu()).double()


def ask_for_determinism(device: torch.device) -> tuple[str, ...]:
    """Have a device add up in a fixed order, as far as it can; what keeps two runs on it from being bit-exact.

    Call it before anything was computed there.
    """
    if device.type == "cpu":
        return ()
    if device.type != "cuda":
        return (f"{device.type} promises no fixed order of sums",)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first matrices are multiplied
    # Only a warning where an operation has no such form: learning on inexactly is better than not at all.
    torch.use_deterministic_algorithms(True, warn_only=True)
    return ("cuda adds up in no fixed order where an operation has no deterministic form",)
