"""Base weights, which never change: one file beside the checkpoints that name them, `bases/<sha256>.safetensors`."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from brain.ports import Base
from daemon.checkpoint import tensor_file
from daemon.checkpoint.manifest import BaseRecord, DefectError, compare_file, is_damage
from daemon.errors import CheckpointError
from daemon.system.durable import Disk, FileRecord, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from daemon.checkpoint.manifest import Manifest

logger = logging.getLogger(__name__)

FOLDER = "bases"
GRACE_SECONDS = 86_400.0  # another run may have stored a base, and not yet the checkpoint that names it


class Bases:
    """The bases beside the checkpoints of a folder; each is stored, or read to its end, once in a life."""

    def __init__(self, checkpoints: Path, disk: Disk) -> None:
        self._checkpoints, self._disk = checkpoints, disk
        self._kept: dict[str, BaseRecord] = {}

    def keep(self, base: Base | None) -> BaseRecord | None:
        """Store a base if it is not there yet, or damaged.

        Raises:
            OSError: it could not be stored; then nothing may refer to it.
        """
        if base is None:
            return None
        if base.sha256 not in self._kept:
            file = self._stored(base)
            self._kept[base.sha256] = BaseRecord(
                id=base.id, revision=base.revision, sha256=base.sha256, file=file
            )
        return self._kept[base.sha256]

    def drop_unneeded(self, manifests: Iterable[Manifest], now: float) -> None:
        """Delete what no checkpoint names, nor this life, and nobody can be about to name.

        Raises:
            OSError: something could not be deleted.
        """
        needed = {_name(base.sha256) for manifest in manifests if (base := manifest.base) is not None}
        needed |= {_name(sha256) for sha256 in self._kept}
        folder = self._checkpoints / FOLDER
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in needed and path.stat().st_mtime < now - GRACE_SECONDS:
                self._disk.remove(path)

    def _stored(self, base: Base) -> FileRecord:
        folder, disk = self._checkpoints / FOLDER, self._disk
        path = folder / _name(base.sha256)
        if not folder.is_dir():
            folder.mkdir(parents=True)
            disk.sync_directory(self._checkpoints)
        host = {name: tensor.cpu().contiguous() for name, tensor in base.tensors.items()}
        meant = _digested(tensor_file.chunks(host))
        try:
            compare_file(folder, path.name, meant)
        except (DefectError, OSError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            if path.exists():
                logger.warning("%s is damaged (%s); it is stored again", path, _reason(error))
                disk.remove(path)
            self._write(path, host)
        return meant

    def _write(self, path: Path, host: Mapping[str, Tensor]) -> None:
        temporary = temporary_beside(path)
        try:
            self._disk.write(temporary, tensor_file.chunks(host))
            self._disk.rename(temporary, path)
        except OSError:
            self._disk.remove(temporary)
            raise
        self._disk.sync_directory(path.parent)


def load_base(checkpoint: Path, record: BaseRecord) -> Base:
    """The base that a checkpoint names, verified.

    Raises:
        CheckpointError: it is missing, damaged or must not be read. The checkpoint itself is sound, so it is not set
            aside.
    """
    folder = checkpoint.parent / FOLDER
    file = folder / _name(record.sha256)
    try:
        compare_file(folder, file.name, record.file)
        tensors = tensor_file.read(file)
    except (DefectError, tensor_file.TensorFileError, OSError) as error:
        hindered = isinstance(error, OSError) and not is_damage(error)
        remedy = "Make that file readable" if hindered else "Put that file back"
        raise CheckpointError(
            f"Checkpoint {checkpoint.name} stands on {record.id} {record.revision}, whose weights cannot be read: "
            f"{file} ({_reason(error)}). {remedy}, then: synapsed resume {checkpoint.name}"
        ) from None
    return Base(id=record.id, revision=record.revision, sha256=record.sha256, tensors=tensors)


def _reason(error: DefectError | OSError | tensor_file.TensorFileError) -> str:
    if isinstance(error, DefectError):
        return error.defect
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _name(sha256: str) -> str:
    return f"{sha256}.safetensors"


def _digested(pieces: Iterable[bytes | memoryview]) -> FileRecord:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        view = memoryview(piece).cast("B")
        digest.update(view)
        size += len(view)
    return FileRecord(size=size, sha256=digest.hexdigest())
