"""The single-file form: `continuous_<time>.pt` with the seed document's ten keys, for other programs too.

It loads with `torch.load(weights_only=True)`; here it is never loaded otherwise, so nothing in it can run.
Beside the ten keys it carries everything a directory holds, and the replayed items themselves, so resuming is
exact.

`internal_state` is one flat tensor, and the carried states are views into it where their dtype allows; so the
file holds them once, and a reader of the seed's format finds a tensor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import pickle
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from brain.ports import CARRIED, Base
from brain.upgrades import SPEC
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, with_spec_of_today
from daemon.checkpoint.manifest import DefectError, Manifest, manifest_from_json, unreadable
from daemon.checkpoint.tensor_file import memory_of
from daemon.errors import CheckpointError, UnwritableError
from daemon.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "synapsed-pt-1"
VITALS = "vitals|"

# What may be absent from a `.pt` of another program, and how a person is informed of it.
_ABSENT = {
    "learning": "optimizer moments and carried state start over",
    "random": "random generators start from the seed",
    "state": "stream position and configuration start over",
    "arrays": "the replay memory starts empty",
    "spec": "the architecture is taken from the configuration",
}

# Everything torch's zip reader and restricted unpickler have been seen to raise on damaged or hostile input.
_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError, EOFError, ImportError, MemoryError, struct.error,
)  # fmt: skip


def export_pt(
    checkpoint: LoadedCheckpoint, target: Path, *, replay_rows: Iterable[Mapping[str, Tensor]] = ()
) -> Path:
    """Write a checkpoint as one file; it appears under its name complete or not at all.

    Args:
        checkpoint: what to write.
        target: the file; a folder means `<name>.pt` in it.
        replay_rows: the items of the replay memory as blocks of columns of equal length (`bytes` (n, T)
            uint8, `length`, `source`, `offset`, `loss`, `step` …), in the order of its slot table.

    Returns:
        The file written.

    Raises:
        CheckpointError: it could not be written; nothing is left behind.
    """
    if target.is_dir():
        target = target / f"{checkpoint.path.stem}.pt"
    content = _content(checkpoint, list(replay_rows) or list(checkpoint.replay_rows))
    content["sha256"] = _digest(content)
    try:
        with whole_file(target) as file:
            torch.save(content, file)
    except UnwritableError as error:
        raise CheckpointError(str(error)) from error
    return target


def load_pt(path: Path) -> LoadedCheckpoint:
    """Read a single-file checkpoint, ours or another program's; `missing` names what starts over.

    Raises:
        TornCheckpointError: it is damaged, not a checkpoint, or holds something that would run when loaded.
        CheckpointError: it cannot be read for another reason.
    """
    try:
        with path.open("rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise unreadable(path, "the file", error) from error
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise DefectError(
                path,
                "it holds more than tensors and plain values, and could run code when loaded",
                "It was not loaded. Ask its maker for a file that loads with torch.load(weights_only=True)",
            ) from None
        raise DefectError(path, "not a readable .pt file") from None
    except _UNREADABLE:
        raise DefectError(path, "not a readable .pt file") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DefectError(path, "not a checkpoint: it holds no named parts")
    checksum = content.pop("sha256", None)
    try:
        if content.get("format") == FORMAT and checksum != _digest(content):
            raise DefectError(path, "checksum differs")
        return _checkpoint(path, content)
    except _UNREADABLE as error:
        raise DefectError(path, f"not a checkpoint: {error}") from None


def _content(checkpoint: LoadedCheckpoint, replay_rows: list[Mapping[str, Tensor]]) -> dict[str, Any]:
    manifest, state = checkpoint.manifest, checkpoint.state
    spec = SPEC.stamped(manifest.spec) if manifest.spec else {}
    internal, carried = _flattened(checkpoint.learning)
    learning = {**checkpoint.learning, **carried}
    vitals = {name: tensor for name, tensor in learning.items() if name.startswith(VITALS)}
    return {
        "step_count": manifest.step,
        "total_samples_seen": manifest.samples,
        "model_state_dict": dict(checkpoint.model),
        "internal_state": internal,
        "history_buffer": [
            {"name": name.removeprefix(VITALS), "window": window} for name, window in vitals.items()
        ],
        "metrics_history": _history(state, "metrics_history"),
        "replay_buffer": [dict(block) for block in replay_rows],
        "growth_history": _history(state, "growth_history"),
        "timestamp": manifest.timestamp,
        "reason": manifest.reason,
        "format": FORMAT,
        "learning": learning,
        "random": dict(checkpoint.random),
        "arrays": {name: torch.from_numpy(array) for name, array in checkpoint.arrays.items()},
        "state": dict(state),
        "spec": spec,
        "manifest": dataclasses.replace(manifest, spec=spec).to_json(),
        **({} if checkpoint.base is None else {"base": _base_content(checkpoint.base)}),
    }


def _base_content(base: Base) -> dict[str, Any]:
    """The base as it stands in a file that has to do without any other."""
    return {
        "id": base.id,
        "revision": base.revision,
        "sha256": base.sha256,
        "tensors": dict(base.tensors),
    }


def _history(state: Mapping[str, Any], name: str) -> list[Any]:
    """A list the trainer keeps, in the state itself or in the loop's part of it."""
    return list(state.get(name) or state.get("loop", {}).get(name) or [])


def _flattened(learning: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The carried state as one float32 vector, and its parts as views into it."""
    parts = {
        name: tensor
        for name, tensor in sorted(learning.items())
        if name.startswith(CARRIED) and tensor.dtype is torch.float32
    }
    flat = torch.cat([tensor.reshape(-1) for tensor in parts.values()]) if parts else torch.zeros(0)
    views: dict[str, Tensor] = {}
    offset = 0
    for name, tensor in parts.items():
        views[name] = flat[offset : offset + tensor.numel()].view(tensor.shape)
        offset += tensor.numel()
    return flat, views


def _checkpoint(path: Path, content: dict[str, Any]) -> LoadedCheckpoint:
    missing = [phrase for key, phrase in _ABSENT.items() if not content.get(key)]
    blocks = content.get("replay_buffer") or []
    rows = [_tensors(block) for block in blocks] if all(isinstance(block, dict) for block in blocks) else []
    base = dict(content.get("base") or {})
    state = dict(content.get("state") or {})
    if not state:
        state = {key: list(content.get(key) or []) for key in ("metrics_history", "growth_history")}
    return LoadedCheckpoint(
        path=path,
        manifest=with_spec_of_today(path, _manifest(content)),
        model=_tensors(content["model_state_dict"]),
        learning=_tensors(content.get("learning") or {}),
        random=_tensors(content.get("random") or {}),
        arrays={name: tensor.numpy() for name, tensor in _tensors(content.get("arrays") or {}).items()},
        state=state,
        replay_rows=rows,
        missing=tuple(missing),
        base=None if "base" not in content else Base(**{**base, "tensors": _tensors(base["tensors"])}),
    )


def _manifest(content: Mapping[str, Any]) -> Manifest:
    if "manifest" in content:
        return manifest_from_json(content["manifest"])
    return manifest_from_json(
        {
            "run_id": "",
            "session": 0,
            "sequence": 0,
            "step": int(content.get("step_count", 0)),
            "samples": int(content.get("total_samples_seen", 0)),
            "created": 0.0,
            "timestamp": str(content.get("timestamp", "")),
            "reason": str(content.get("reason", "")),
            "spec": dict(content.get("spec") or {}),
        }
    )


def _tensors(named: Any) -> dict[str, Tensor]:
    if not isinstance(named, dict):
        raise TypeError("names and tensors expected")
    for name, tensor in named.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(f"{name!r} is not a named tensor")
    # Not detached in general: tied tensors come back as one object and shall stay one.
    return {name: tensor.detach() if tensor.requires_grad else tensor for name, tensor in named.items()}


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 over names, plain values and the bytes of every tensor, independent of the zip around them."""
    digest = hashlib.sha256()
    _add(digest, content)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, value: object) -> None:
    match value:
        case Mapping():
            digest.update(b"{%d" % len(value))
            for key, part in value.items():
                _add(digest, key)
                _add(digest, part)
        case list() | tuple():
            digest.update(b"[%d" % len(value))
            for part in value:
                _add(digest, part)
        case Tensor():
            digest.update(f"T{value.dtype}{tuple(value.shape)}".encode())
            if value.numel():
                digest.update(memory_of(value.contiguous()))
        case float() if math.isnan(value):
            digest.update(b"nan")
        case _:
            text = repr(value).encode("utf-8", "surrogatepass")
            digest.update(b"%s%d:" % (type(value).__name__.encode(), len(text)))
            digest.update(text)
