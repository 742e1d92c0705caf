"""What a checkpoint says about replay: which rows of which segments count, where its random draws stand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from brain.errors import MemoryDamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SegmentCommit:
    """The committed head of one segment file.

    Attributes:
        folder: name of the folder it lies in; a fork's commit names its parent's folder here.
        number: of the segment within its numbering; the file is `seg-NNNNNN.bin`.
        rows: committed records; a file may hold more, which belong to nobody.
        sha256: over the committed records.
    """

    folder: str
    number: int
    rows: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the segment's file."""
        return f"seg-{self.number:06d}.bin"


@dataclass(frozen=True, kw_only=True)
class ReplayCommit:
    """JSON-able state of a replay memory; the slot table travels beside it as arrays.

    Attributes:
        item_bytes: bytes of experience in one item.
        rows_per_segment: records that seal a segment; part of every row's address.
        policy: registered name of the policy.
        policy_state: that policy's JSON-able state, random state included.
        num_items: slots in use.
        num_seen: items offered so far.
        segments: every segment that a slot refers to, and the open one.
    """

    item_bytes: int
    rows_per_segment: int
    policy: str
    policy_state: Mapping[str, Any]
    num_items: int
    num_seen: int
    segments: tuple[SegmentCommit, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {"format": FORMAT, **asdict(self), "segments": [asdict(segment) for segment in self.segments]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ReplayCommit:
        """The inverse of `to_json`.

        Raises:
            MemoryDamagedError: when a part is missing or the form is newer than this program.
        """
        fields = dict(record)
        if fields.pop("format", None) != FORMAT:
            raise MemoryDamagedError(
                f"Replay was committed in form {record.get('format')!r}, this program reads form {FORMAT}."
            )
        try:
            segments = tuple(SegmentCommit(**segment) for segment in fields.pop("segments"))
            return cls(**fields, segments=segments)
        except (KeyError, TypeError) as error:
            raise MemoryDamagedError(f"Replay's commit is incomplete ({error}).") from error


def list_of(segment: Path) -> Path:
    """Where it stands which rows of a segment were erased; see `erasing`."""
    return segment.with_name(f"{segment.stem}.erased.json")
