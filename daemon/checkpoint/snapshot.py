"""All that a checkpoint holds, and the host buffers it is copied into between two steps."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from daemon.checkpoint import tensor_file
from daemon.checkpoint.manifest import LEARNING, MODEL, SLOTS, TABLES, Environment
from daemon.checkpoint.tensor_file import memory_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.ports import Base

RANDOM_PREFIX = "random|"
Arrays = Mapping[str, NDArray[Any]]


def current_environment(device: str = "cpu", *, world_size: int = 1) -> Environment:
    """What this process computes with."""
    return Environment(
        torch=torch.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        threads=torch.get_num_threads(),
        device=device,
        world_size=world_size,
    )


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One moment of a run, by reference to what lives.

    Attributes:
        step: finished steps.
        samples: rows learned from so far.
        reason: auto, first, pause, stop, manual, growth, final.
        model: weights and buffers by name, on any device.
        learning: optimizer moments as `<parameter>|<moment>`, carried state as `carried|<name>`, windows of
            vital signs as `vitals|<name>`.
        random: states of random generators, uint8.
        arrays: the replay slot table and the like; plain numpy dtypes.
        state: JSON values: cursor, growth history, resolved config …; tuples come back as lists.
        spec: the architecture, JSON.
        tied: groups of names in `model` that share storage.
        replay: what the replay memory committed, JSON; None without one.
        journal: number of the newest journal entry by now.
        metrics: newest numbers by name, `bpc` among them.
        environment: where this is.
        base: weights that never change, stored once; they are not copied.
        tables: names in `learning` of large tables of low entropy, which are compressed.
    """

    step: int
    samples: int
    reason: str
    model: Mapping[str, Tensor]
    learning: Mapping[str, Tensor] = field(default_factory=dict)
    random: Mapping[str, Tensor] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    tied: tuple[tuple[str, ...], ...] = ()
    replay: Mapping[str, Any] | None = None
    journal: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    environment: Environment = field(default_factory=current_environment)
    base: Base | None = None
    tables: frozenset[str] = frozenset()


def file_contents(snapshot: Snapshot) -> dict[str, Iterator[bytes | memoryview]]:
    """What the files of tensors hold, by their names, in the order in which they are written; tensors on the CPU."""
    random = {RANDOM_PREFIX + name: tensor for name, tensor in snapshot.random.items()}
    plain = {name: one for name, one in snapshot.learning.items() if name not in snapshot.tables}
    tables = {name: snapshot.learning[name] for name in snapshot.tables}
    arrays = {name: torch.from_numpy(array) for name, array in snapshot.arrays.items()}
    contents = {
        MODEL: tensor_file.chunks(snapshot.model),
        LEARNING: tensor_file.chunks({**plain, **random}),
        SLOTS: tensor_file.chunks(arrays),
    }
    if tables:
        contents[TABLES] = tensor_file.compressed(tensor_file.chunks(tables))
    return contents


class Buffers:
    """Host memory that a live state is copied into; kept from save to save, so only the copy is waited for.

    A tensor that changed its shape or dtype (growth) gets a new buffer; one that is gone loses its own.
    """

    def __init__(self) -> None:
        self._host: dict[str, Tensor] = {}

    def take(self, live: Snapshot) -> Snapshot:
        """A copy of `live` in the buffers, valid until the next call; tied tensors are copied once.

        Raises:
            ValueError: a tensor or array is of a kind that cannot be stored.
        """
        tied = _truly_tied(live)
        twins = {name for group in tied for name in group[1:]}
        parts = {
            "model": {name: tensor for name, tensor in live.model.items() if name not in twins},
            "learning": live.learning,
            "random": live.random,
            "arrays": {name: _tensor_of(name, array) for name, array in live.arrays.items()},
        }
        wanted = {f"{part}/{name}": tensor for part, own in parts.items() for name, tensor in own.items()}
        self._host = {key: self._buffer(key, tensor) for key, tensor in wanted.items()}
        on_device = False
        with torch.no_grad():
            for key, tensor in wanted.items():
                on_device |= tensor.is_cuda
                _copy(tensor, self._host[key])
        if on_device:
            torch.cuda.synchronize()
        copies = {part: {name: self._host[f"{part}/{name}"] for name in own} for part, own in parts.items()}
        return replace(
            live,
            model=copies["model"],
            learning=copies["learning"],
            random=copies["random"],
            arrays={name: tensor.numpy() for name, tensor in copies["arrays"].items()},
            tied=tied,
        )

    def _buffer(self, key: str, live: Tensor) -> Tensor:
        if live.layout is not torch.strided or live.is_quantized or live.is_meta:
            raise ValueError(
                f"tensor {key} is not dense ({live.layout}, {live.device}); a checkpoint cannot hold it"
            )
        held = self._host.get(key)
        if held is not None and held.shape == live.shape and held.dtype == live.dtype:
            return held
        return torch.empty(live.shape, dtype=live.dtype, pin_memory=live.is_cuda)


def _copy(live: Tensor, host: Tensor) -> None:
    if live.is_cpu and live.is_contiguous() and not live.is_conj() and not live.is_neg():
        # One thread fills the memory bus; torch's own copy waits for all its threads, long on a busy machine.
        memory_of(host)[:] = memory_of(live)
    else:
        host.copy_(live, non_blocking=live.is_cuda)


def _truly_tied(live: Snapshot) -> tuple[tuple[str, ...], ...]:
    """The groups whose tensors are one and the same memory; others are stored one by one and lose nothing."""

    def memory(name: str) -> tuple[object, ...]:
        tensor = live.model[name]
        return (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device)

    return tuple(
        tuple(group)
        for group in live.tied
        if len(group) > 1
        and all(name in live.model for name in group)
        and len({memory(name) for name in group}) == 1
    )


def _tensor_of(name: str, array: NDArray[Any]) -> Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape)
    except TypeError:
        raise ValueError(
            f"array {name} has dtype {array.dtype}; a checkpoint holds plain numbers only"
        ) from None
