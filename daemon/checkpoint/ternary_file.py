"""The packed file of a ternary brain: one `.safetensors` to ask and to evaluate, without what learning needs.

Its metadata hold, as JSON, what it is: architecture and configuration, the checkpoint it was made from, how each
weight is stored, and a SHA-256 over all of it and the tensors, since the layout by itself would not notice a flipped
bit. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from brain.packing import Packed, unpack
from brain.tensors import sha256_of
from brain.upgrades import SPEC
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, with_spec_of_today
from daemon.checkpoint.manifest import DefectError, Manifest, manifest_from_json, unreadable
from daemon.errors import CheckpointError, UnwritableError
from daemon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "synapsed-packed-1"
ABOUT = "synapsed"  # the entry of the metadata
ADVICE = "Make it again from its checkpoint: synapsed quantize CKPT"


@dataclass(frozen=True, kw_only=True)
class PackedBrain:
    """What a packed file holds.

    Attributes:
        packed: its weights.
        spec: the architecture, ternary and without an exact memory.
        config: of the run that it learned in.
        manifest: of the checkpoint it was made from.
    """

    packed: Packed
    spec: Mapping[str, Any]
    config: Mapping[str, Any]
    manifest: Manifest


def write_packed(brain: PackedBrain, target: Path) -> int:
    """Write the file; it appears under its name complete or not at all. Its size in bytes.

    Raises:
        CheckpointError: it could not be written; nothing is left behind.
    """
    about = {
        "format": FORMAT,
        "spec": SPEC.stamped(brain.spec),
        "config": dict(brain.config),
        "run": brain.manifest.run_id,
        "step": brain.manifest.step,
        "samples": brain.manifest.samples,
        "created": brain.manifest.created,
        "timestamp": brain.manifest.timestamp,
        "layout": brain.packed.layout,
    }
    about["sha256"] = _digest(brain.packed, about)
    content = save(brain.packed.tensors, {ABOUT: json.dumps(about, sort_keys=True)})
    try:
        with whole_file(target) as file:
            file.write(content)
    except UnwritableError as error:
        raise CheckpointError(str(error)) from error
    return len(content)


def load_packed(path: Path) -> LoadedCheckpoint:
    """A packed file as a checkpoint that can be read, but not resumed: it has weights, spec and config alone.

    Raises:
        TornCheckpointError: it is damaged, or no packed file.
        CheckpointError: it cannot be read for another reason.
    """
    try:
        with path.open("rb"):  # an OSError here keeps its errno, which safetensors would hide
            pass
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = file.metadata() or {}
    except OSError as error:
        raise unreadable(path, "the file", error) from error
    except SafetensorError:
        raise DefectError(path, "not a readable .safetensors file", ADVICE) from None
    if ABOUT not in metadata:
        raise DefectError(path, "not a packed brain: it does not say what it is", ADVICE)
    try:
        about = json.loads(metadata[ABOUT])
        checksum, layout = about.pop("sha256"), about["layout"]
        packed = Packed(tensors, layout)
        if about["format"] != FORMAT:
            raise DefectError(path, f"of format {about['format']}, which this synapsed does not read", ADVICE)
        if checksum != _digest(packed, about):
            raise DefectError(path, "checksum differs", ADVICE)
        return _checkpoint(path, about, packed)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise DefectError(path, f"not a packed brain: {error}", ADVICE) from None


def _checkpoint(path: Path, about: Mapping[str, Any], packed: Packed) -> LoadedCheckpoint:
    manifest = manifest_from_json(
        {
            "run_id": about["run"],
            "session": 0,
            "sequence": 0,
            "reason": "packed",
            **{name: about[name] for name in ("step", "samples", "created", "timestamp", "spec")},
        }
    )
    return LoadedCheckpoint(
        path=path,
        manifest=with_spec_of_today(path, manifest),
        model=unpack(packed),
        learning={},
        random={},
        arrays={},
        state={"config": about["config"]},
        packed=packed,
    )


def _digest(packed: Packed, about: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(sha256_of(packed.tensors).encode())
    return digest.hexdigest()
