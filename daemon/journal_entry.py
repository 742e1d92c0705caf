"""An entry of the journal, and the line that it is on disk: JSON, closed by a CRC over what stands before."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CRC_MARK = b',"crc":"'
_CRC_TAIL = len(_CRC_MARK) + 8 + len(b'"}')
VOID = "void"  # an entry that stands in the place of another and does nothing


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing from outside.

    Attributes:
        sequence: its number in the run, from 1; never given twice.
        step: steps that are finished when it takes effect.
        kind: feed, grow, sleep, roll_back, void …
        payload: JSON values.
        replaces: number of the entry that it stands for at another step; 0: none.
    """

    sequence: int
    step: int
    kind: str
    payload: Mapping[str, Any]
    replaces: int = 0


def line_of(entry: Entry) -> bytes:
    """It as it is written."""
    tree = {
        "sequence": entry.sequence,
        "step": entry.step,
        "kind": entry.kind,
        "payload": dict(entry.payload),
    }
    if entry.replaces:
        tree["replaces"] = entry.replaces
    body = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode("ascii")[:-1]
    return body + _CRC_MARK + f"{zlib.crc32(body):08x}".encode() + b'"}\n'


def parse(raw: bytes, *, tail_may_tear: bool) -> tuple[list[Entry], bytes, int]:
    """Sound entries of a segment, the bytes they stand in, and how many damaged lines stood among them.

    What follows the last sound line of the last segment was cut short, unless the line has its end.
    """
    entries: list[Entry] = []
    kept: list[bytes] = []
    bad = 0
    waiting: list[bytes] = []
    for line in raw.splitlines(keepends=True):
        entry = _entry(line)
        if entry is None:
            waiting.append(line)
            continue
        bad += len(waiting)
        waiting.clear()
        entries.append(entry)
        kept.append(line)
    bad += sum(not tail_may_tear or line.endswith(b'"}\n') for line in waiting)
    return entries, b"".join(kept), bad


def _entry(line: bytes) -> Entry | None:
    body, rest = line[: -_CRC_TAIL - 1], line[-_CRC_TAIL - 1 :]
    if rest != _CRC_MARK + f"{zlib.crc32(body):08x}".encode() + b'"}\n':
        return None
    try:
        tree = json.loads(body + b"}")
        return Entry(
            sequence=int(tree["sequence"]),
            step=int(tree["step"]),
            kind=str(tree["kind"]),
            payload=dict(tree["payload"]),
            replaces=int(tree.get("replaces", 0)),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
