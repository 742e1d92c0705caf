"""A device that knows no float64, as MPS does, played by the CPU: what breaks there breaks here.

Tensors `Elsewhere` say that they lie on `DEVICE` and keep their numbers on the CPU. Within `limited_device` whatever is
made for or moved to `DEVICE` becomes one, and what is moved to the CPU becomes a plain tensor again. A float64 tensor
on the device is refused, and so is mixing tensors of both places, but for what every device allows: copying, scalars
and indices. The name `meta` is borrowed, because torch has no code of its own behind it that could get in the way.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_iter, tree_map, tree_map_only

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = torch.device("meta")
aten = torch.ops.aten
MIXES = {
    aten.copy_.default,
    aten.index.Tensor,
    aten.index_put_.default,
    aten.index_put.default,
    aten._index_put_impl_.default,
}


class RefusedError(RuntimeError):
    """The device cannot do that."""


class Elsewhere(torch.Tensor):
    """A tensor on the limited device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Any:
        if held.dtype in {torch.float64, torch.complex128}:
            raise RefusedError(f"the device knows no {held.dtype}: one of shape {tuple(held.shape)} was made")
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=DEVICE, requires_grad=False,
        )  # fmt: skip
        vars(made)["held"] = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on the CPU, its results where they belong."""
    tensors = [leaf for leaf in tree_iter((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    away = any(isinstance(leaf, Elsewhere) for leaf in tensors)
    here = [leaf for leaf in tensors if not isinstance(leaf, Elsewhere) and leaf.dim() > 0]
    if away and here and func not in MIXES:
        raise RefusedError(f"{func}: tensors lie on different devices")
    if kwargs.get("device") is not None:
        away = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs |= {"device": torch.device("cpu")}
    held_args, held_kwargs = tree_map_only(Elsewhere, lambda tensor: tensor.held, (args, kwargs))
    out = func(*held_args, **held_kwargs)
    if func is aten.copy_.default:
        return args[0]
    if not away:
        return out
    out = tree_map(lambda value: _away(value, tensors), out)
    return return_and_correct_aliasing(func, args, kwargs, out)  # type: ignore[no-untyped-call]


def _away(value: Any, given: list[torch.Tensor]) -> Any:
    if not isinstance(value, torch.Tensor) or isinstance(value, Elsewhere):
        return value
    written = [tensor for tensor in given if isinstance(tensor, Elsewhere) and tensor.held is value]
    return written[0] if written else Elsewhere(value)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """`torch.tensor` fills its memory without asking anybody, so its result is moved."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


@contextmanager
def limited_device() -> Iterator[None]:
    """While it lasts `DEVICE` is one that knows no float64."""
    with _Operations(), _Literals():  # type: ignore[no-untyped-call]
        yield
