"""Folders to fill and streams over them, for the tests of this folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.config.tree import StreamConfig
from daemon.streams.cursor import Cursor
from daemon.streams.stream import ExperienceStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.events import Event


@dataclass
class Opener:
    """Opens streams that share a cache, an event list and a clock; keywords go to StreamConfig."""

    cache: Path
    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0  # of the clock

    def __call__(
        self,
        *data: Path | str,
        lanes: int = 4,
        seed: int = 0,
        cursor: Cursor | None = None,
        progressed: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> ExperienceStream:
        config = StreamConfig(data=tuple(str(path) for path in data), **{"held_out_share": 0.0, **settings})
        return ExperienceStream.open(
            config,
            lanes=lanes,
            seed=seed,
            cache=self.cache,
            emit=self.events.append,
            cursor=cursor,
            monotonic=lambda: self.seconds,
            progressed=progressed,
        )

    def messages(self, kind: type[Event]) -> list[str]:
        return [event.message for event in self.events if isinstance(event, kind)]


def through_json(cursor: Cursor) -> Cursor:
    """A cursor as a resume gets it."""
    return Cursor.from_json(json.loads(json.dumps(cursor.to_json())))


def write_tree(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Files by their names with slashes."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def numbered(num_bytes: int, *, seed: int = 0) -> bytes:
    """Text whose every place looks different."""
    lines, length, number = [], 0, seed * 1_000_000
    while length < num_bytes:
        lines.append(b"%d\n" % number)
        length += len(lines[-1])
        number += 1
    return b"".join(lines)[:num_bytes]


def read_on(stream: ExperienceStream, lane: int, num_rows: int) -> tuple[bytes, list[bool]]:
    """The bytes of a lane's next rows, joined, and their reset flags."""
    data, resets = b"", []
    for _ in range(num_rows):
        experience, _ = stream.next([lane])
        data += experience.bytes[0, : experience.length[0]].tobytes()
        resets.append(bool(experience.reset[0]))
    return data, resets


def read_pass(stream: ExperienceStream, lanes: int = 4) -> tuple[Counter[bytes], Cursor]:
    """The records of one pass over a table, each put together from the rows of its lane."""
    texts: dict[str, bytes] = {}
    reading: dict[int, str | None] = {}
    while not stream.passes_finished:
        experience, cursor = stream.next(range(lanes))
        for row, name in enumerate(experience.document):
            lane, begins = int(experience.lane[row]), experience.offset[row] == 0
            assert begins == bool(experience.reset[row])
            if begins:
                reading[lane] = None if name in texts else name  # of the next pass already
            if reading[lane] is not None:
                data = experience.bytes[row, : experience.length[row]].tobytes()
                texts[name] = texts.get(name, b"") + data
    return Counter(texts.values()), cursor
