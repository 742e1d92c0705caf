"""Named tensors of a brain: taken over from a stored state only when all of them fit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.errors import SpecMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@torch.no_grad()
def copy_named(groups: Iterable[tuple[str, Mapping[str, Tensor], Mapping[str, Tensor]]]) -> None:
    """Copy (group, stored, own) tensors by name into the own ones; all are checked before one is touched.

    Raises:
        SpecMismatchError: naming the tensor that is missing, superfluous or of another shape or type.
    """
    groups = list(groups)
    for group, stored, own in groups:
        for name in sorted(own.keys() - stored.keys()):
            raise SpecMismatchError(
                f"{group} tensor {name} is missing from the stored brain; it has another architecture"
            )
        for name in sorted(stored.keys() - own.keys()):
            raise SpecMismatchError(
                f"{group} tensor {name} has no place in this brain; it has another architecture"
            )
        for name, tensor in own.items():
            found = stored[name]
            if found.shape != tensor.shape or found.dtype != tensor.dtype:
                raise SpecMismatchError(
                    f"{group} tensor {name} is {_form(found)} where this brain has {_form(tensor)}; "
                    "it has another architecture or number of lanes"
                )
    for _, stored, own in groups:
        for name, tensor in own.items():
            tensor.copy_(stored[name])


def sha256_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of tensors, in the order of their names.

    >>> sha256_of({"b": torch.zeros(2), "a": torch.ones(1)}) == sha256_of({"a": torch.ones(1), "b": torch.zeros(2)})
    True
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {_form(tensor)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
