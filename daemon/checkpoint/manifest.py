"""MANIFEST.json: what a checkpoint is, and what each of its files must be. Imports no torch.

The manifest carries a checksum of itself and must be, byte for byte, what it would be written as again; so a
flipped bit in it is found like one in any other file.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import re
import stat
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from daemon.errors import CheckpointError, TornCheckpointError
from daemon.system.durable import CHUNK_BYTES, FileRecord

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 2
MANIFEST = "MANIFEST.json"
MODEL = "model.safetensors"
LEARNING = "optimizer.safetensors"
SLOTS = "slots.safetensors"
STATE = "state.json"
TABLES = "tables.safetensors.gz"
FILES = (MODEL, LEARNING, SLOTS, STATE)
FILES_OF_FORMAT = {
    1: FILES,
    2: (MODEL, LEARNING, SLOTS, TABLES, STATE),
}  # the latter for a brain with large tables
ALL_FILES = FILES_OF_FORMAT[FORMAT_VERSION]
MANIFEST_BYTES_MAX = 64 * 1024 * 1024

Count = Annotated[int, Field(ge=0, lt=2**63)]

# Defects of the medium or of the files; any other failure to read says nothing about the checkpoint.
_DAMAGE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ELOOP, errno.EINVAL}


class DefectError(TornCheckpointError):
    """A checkpoint is not what was committed; `defect` says what is wrong in a few words."""

    def __init__(self, path: Path, defect: str, advice: str = "") -> None:
        self.path = path
        self.defect = defect
        advice = advice or "Resume the newest sound one: synapsed resume latest"
        super().__init__(f"Checkpoint {path.name} in {path.parent} is torn ({defect}). {advice}")


class NewerFormatError(TornCheckpointError):
    """A sound checkpoint of a later version of the format: never set aside."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a resumed run must share with the saved one to be bit-exact.

    Attributes:
        torch: version.
        python: version.
        platform: operating system and machine.
        threads: intra-op threads of torch.
        device: kind and name.
        world_size: processes that learn together.
    """

    torch: str = ""
    python: str = ""
    platform: str = ""
    threads: Count = 1
    device: str = "cpu"
    world_size: Count = 1

    def differences(self, now: Environment) -> tuple[str, ...]:
        """What is not as it was, one phrase each; empty when a resume can be bit-exact.

        >>> Environment(threads=2).differences(Environment(threads=4))
        ('threads 2 → 4',)
        """
        return tuple(
            f"{name.replace('_', ' ')} {before} → {after}"
            for name, before in dataclasses.asdict(self).items()
            # Python itself computes no weight.
            if name != "python" and before != (after := getattr(now, name))
        )


@dataclass(frozen=True, kw_only=True)
class BaseRecord:
    """Weights that never change, stored once for all checkpoints of a folder.

    Attributes:
        id: what they are called where they come from.
        revision: which version of them.
        sha256: over the tensors, as the brain knows them.
        file: size and hash of the file that holds them.
    """

    id: str
    revision: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    file: FileRecord


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of a checkpoint without reading its tensors.

    Attributes:
        run_id: the run it belongs to.
        session: life of the trainer that saved it, from 1.
        sequence: number of the save within its run; orders a run's checkpoints whatever the clock did.
        step: finished steps.
        samples: rows learned from so far.
        created: unix time in seconds.
        timestamp: the same moment, ISO 8601, UTC.
        reason: auto, first, pause, stop, manual, growth, final.
        spec: the architecture, from which the brain is rebuilt before tensors load.
        tied: groups of names that share one tensor, stored under the first.
        environment: where it was saved.
        replay: committed rows, segment hashes and folder of the replay memory; None without one.
        journal: number of the newest journal entry when it was saved.
        metrics: newest finite numbers by name, `bpc` among them.
        files: size and hash of each file.
        base: weights outside this checkpoint that it stands on; None without any.
        format_version: which files it has; see FILES_OF_FORMAT.
    """

    run_id: Annotated[str, Field(max_length=200)]
    session: Count
    sequence: Count
    step: Count
    samples: Count
    created: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    timestamp: str
    reason: str
    spec: Mapping[str, Any]
    tied: tuple[tuple[str, ...], ...] = ()
    environment: Environment = field(default_factory=Environment)
    replay: Mapping[str, Any] | None = None
    journal: Count = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    base: BaseRecord | None = None
    format_version: int = 1

    @property
    def bpc(self) -> float | None:
        """Smoothed bits per byte when it was saved, if measured; decides which is the best."""
        return self.metrics.get("bpc")

    @property
    def recent_bpc(self) -> float | None:
        """Mean of the newest steps when it was saved; None in checkpoints that were saved without it."""
        return self.metrics.get("recent_bpc")

    @property
    def names(self) -> tuple[str, ...]:
        """Its files, in the order in which they are written and read."""
        return FILES_OF_FORMAT[self.format_version]

    @property
    def size_bytes(self) -> int:
        """Of all its files but the manifest."""
        return sum(file.size for file in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """A tree of plain JSON values."""
        tree = dataclasses.asdict(self)
        tree["metrics"] = {name: value for name, value in self.metrics.items() if math.isfinite(value)}
        plain: dict[str, Any] = json.loads(_canonical(tree))
        return plain

    def to_bytes(self) -> bytes:
        """The content of MANIFEST.json.

        Raises:
            ValueError: its own reader would refuse it, so it must never be committed.
        """
        tree = self.to_json()
        manifest_from_json(tree)
        return _sealed(tree)


def timestamp_of(unix_seconds: float) -> str:
    """ISO 8601 in UTC, to the second.

    >>> timestamp_of(1771511456.9)
    '2026-02-19T14:30:56+00:00'
    """
    return datetime.fromtimestamp(int(unix_seconds), UTC).isoformat()


def manifest_from_json(tree: Mapping[str, Any]) -> Manifest:
    """Build a manifest from plain values.

    Raises:
        ValueError: a field is missing or out of range.
    """
    return _ADAPTER.validate_json(_canonical(tree), strict=True)


def read_manifest(path: Path) -> Manifest:
    """The manifest of the checkpoint directory `path`, checked against its own checksum.

    Raises:
        DefectError: it is missing, torn or altered.
        NewerFormatError: it is sound, and of a format this version does not know.
        CheckpointError: it cannot be read for another reason, such as permissions.
    """
    raw = _read_small(path, MANIFEST)
    try:
        tree = json.loads(raw)
        checksum = tree.pop("checksum")
        sound = checksum == _checksum(tree) and _sealed(tree) == raw
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise DefectError(path, f"{MANIFEST} is not readable") from None
    if not sound:
        raise DefectError(path, f"{MANIFEST}: checksum differs")
    version = tree.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise NewerFormatError(
            f"Checkpoint {path.name} in {path.parent} has format {version}; this synapsed reads up to "
            f"{FORMAT_VERSION}. Upgrade synapsed, then: synapsed resume {path.name}"
        )
    try:
        manifest = manifest_from_json(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise DefectError(path, f"{MANIFEST}: {where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise DefectError(path, f"{MANIFEST} is not readable") from None
    expected = FILES_OF_FORMAT.get(manifest.format_version, ())
    if (
        not expected
        or set(manifest.files) != set(expected)
        or not all(map(_is_sound, manifest.files.values()))
    ):
        raise DefectError(path, f"{MANIFEST} names another format or other files")
    return manifest


def check_file(path: Path, name: str, record: FileRecord) -> None:
    """Read one file of the checkpoint `path` to its end and compare it with its record.

    Raises:
        DefectError: it is missing, of another size, or its SHA-256 differs.
        CheckpointError: it cannot be read for another reason.
    """
    try:
        compare_file(path, name, record)
    except OSError as error:
        raise unreadable(path, name, error) from error


def compare_file(path: Path, name: str, record: FileRecord) -> None:
    """The same for a file that is no part of one checkpoint.

    Raises:
        DefectError: it is of another size or kind, or its SHA-256 differs.
        OSError: it cannot be read; see `is_damage`.
    """
    digest = hashlib.sha256()
    check_size(path, name, record)
    with (path / name).open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != record.sha256:
        raise DefectError(path, f"{name}: checksum differs")


def check_size(path: Path, name: str, record: FileRecord) -> None:
    """The quick look: the file is there, plain, and of the size it had.

    Raises:
        DefectError: it is not.
        OSError: it cannot be looked at.
    """
    found = (path / name).lstat()
    if not stat.S_ISREG(found.st_mode):
        raise DefectError(path, f"{name} is not a plain file")
    if found.st_size != record.size:
        raise DefectError(path, f"{name} has {found.st_size} bytes, not {record.size}")


def unreadable(path: Path, name: str, error: OSError) -> CheckpointError:
    """The error to raise for a file that would not be read: damage, or a hindrance outside the checkpoint."""
    if error.errno == errno.ENOENT:
        return DefectError(path, f"{name} is missing")
    if is_damage(error):
        return DefectError(path, f"{name}: {error.strerror}")
    named = path if path.suffix == ".pt" else path.name  # a single file may lie anywhere
    return CheckpointError(
        f"Checkpoint {path.name} in {path.parent} cannot be read ({name}: {error.strerror}). "
        f"Make it readable, then: synapsed resume {named}"
    )


def is_damage(error: OSError) -> bool:
    """A defect of the medium or of the file; any other failure to read, such as permissions, is a hindrance."""
    return error.errno in _DAMAGE


def _read_small(path: Path, name: str) -> bytes:
    try:
        found = (path / name).lstat()
        if not stat.S_ISREG(found.st_mode):
            raise DefectError(path, f"{name} is not a plain file")
        if found.st_size > MANIFEST_BYTES_MAX:
            raise DefectError(path, f"{name} has {found.st_size} bytes")
        return (path / name).read_bytes()
    except OSError as error:
        raise unreadable(path, name, error) from error


def _is_sound(record: FileRecord) -> bool:
    return 0 <= record.size < 2**63 and re.fullmatch("[0-9a-f]{64}", record.sha256) is not None


def _canonical(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _checksum(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(tree)).hexdigest()


def _sealed(tree: Mapping[str, Any]) -> bytes:
    sealed = {**tree, "checksum": _checksum(tree)}
    return (json.dumps(sealed, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


_ADAPTER: TypeAdapter[Manifest] = TypeAdapter(Manifest)
