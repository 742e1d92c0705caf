"""However files grow and whenever the run is cut off: every learnable byte once, no held-out byte ever."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.config.tree import StreamConfig
from daemon.streams.cursor import Cursor
from daemon.streams.holdout import BLOCK_BYTES, HoldOut
from daemon.streams.stream import ExperienceStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 3
ACTS = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 3), st.sampled_from([1, 63, 64, 700, 4096, 9000])),
    st.tuples(st.just("read"), st.integers(1, 60), st.just(0)),
    st.tuples(st.just("resume"), st.just(0), st.just(0)),
)


def text_of(number: int, size: int) -> bytes:
    """Text of file `number`, every byte recognisable by its place."""
    places = np.arange(size, dtype=np.int64)
    return (places * 31 % 89 + (places >> 7) % 5 + 32 + number).astype(np.uint8).tobytes()


def opening(root: Path, seconds: list[float]) -> dict[str, Any]:
    """How a stream over files in `root` is opened; `seconds[0]` is its clock."""
    return {
        "lanes": LANES,
        "seed": 3,
        "cache": root / "cache",
        "emit": lambda event: None,
        "monotonic": lambda: seconds[0],
    }


def resumed(stream: ExperienceStream, config: StreamConfig, settings: dict[str, Any]) -> ExperienceStream:
    """The stream after a restart."""
    cursor = Cursor.from_json(json.loads(json.dumps(stream.cursor().to_json())))
    return ExperienceStream.open(config, cursor=cursor, **settings)


def learnable(split: HoldOut, name: str, size: int) -> NDArray[np.int64]:
    """How often each byte of a document is to be read: once, and never where it is held out."""
    times = np.ones(size, np.int64)
    for block in range(-(-size // BLOCK_BYTES)):
        if split.holds(name, block):
            times[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] = 0
    return times


@settings(max_examples=40, deadline=None)
@given(acts=st.lists(ACTS, max_size=30), share=st.sampled_from([0.0, 0.25]), num_sources=st.integers(1, 2))
def test_every_byte_that_ever_came_is_read_once(
    acts: list[tuple[str, int, int]], share: float, num_sources: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, seconds = Path(name), [0.0]
        paths = [root / f"source{number % num_sources}" / f"{number}.log" for number in range(4)]
        sizes = [100, 5000, 1, 20_000]
        for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text_of(number, size))
        counts = [np.zeros(1 << 19, np.int64) for _ in paths]
        data = tuple(str(root / f"source{number}") for number in range(num_sources))
        config = StreamConfig(data=data, held_out_share=share, at_end="wait")
        settings = opening(root, seconds)
        stream = ExperienceStream.open(config, **settings)

        def read(steps: int) -> bool:
            for _ in range(steps):
                seconds[0] += 0.3
                rows, _ = stream.next(range(LANES))
                for i in range(len(rows.length)):
                    number = int(rows.document[i][0])
                    begin, length = int(rows.offset[i]), int(rows.length[i])
                    expected = paths[number].read_bytes()[begin : begin + length]
                    assert rows.bytes[i, :length].tobytes() == expected
                    counts[number][begin : begin + length] += 1
                if not len(rows.length):
                    return False
            return True

        for act, value, size in acts:
            if act == "append":
                sizes[value] += size
                paths[value].write_bytes(text_of(value, sizes[value]))
            elif act == "read":
                read(value)
            else:
                stream = resumed(stream, config, settings)
        while read(1000):
            pass
        seconds[0] += 2.0
        while read(1000):
            pass
        split = HoldOut.of(share)
        for number, size in enumerate(sizes):
            expected = learnable(split, paths[number].name, size)
            np.testing.assert_array_equal(counts[number][:size], expected, err_msg=paths[number].name)


WRITES = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 2), st.sampled_from([1, 700, 9000])),
    st.tuples(st.just("rewrite"), st.integers(0, 2), st.sampled_from([0, 1, 3000, 100_000, 400_000])),
    st.tuples(st.just("read"), st.integers(1, 200), st.just(0)),
    st.tuples(st.just("resume"), st.just(0), st.just(0)),
)


def generation_of(number: int, generation: int, size: int) -> bytes:
    """Text that differs from that of every other generation of the file in every byte."""
    places = np.arange(size, dtype=np.int64)
    return ((places * 31 % 89 + (places >> 7) + number + generation) % 95 + 32).astype(np.uint8).tobytes()


@settings(max_examples=40, deadline=None)
@given(acts=st.lists(WRITES, max_size=20), share=st.sampled_from([0.0, 0.25]))
@example(acts=[("read", 60, 0), ("rewrite", 1, 400_000)], share=0.25)  # in the middle of what lanes hold
def test_every_byte_of_a_file_written_again_is_read_once(
    acts: list[tuple[str, int, int]], share: float
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, seconds, times = Path(name), [0.0], iter(range(1, 1000))
        paths = [root / "source" / f"{number}.log" for number in range(3)]
        texts, generations, stale, rewritten = [b""] * 3, [0] * 3, 0, 0
        counts = [np.zeros(1 << 19, np.int64) for _ in paths]

        def write(number: int, size: int) -> None:
            texts[number] = generation_of(number, generations[number], size)
            paths[number].write_bytes(texts[number])
            os.utime(paths[number], ns=(1, next(times)))

        paths[0].parent.mkdir()
        for number, size in enumerate((100, 300_000, 20_000)):
            write(number, size)
        config = StreamConfig(
            data=(str(root / "source"),), held_out_share=share, at_end="wait", segment_bytes=256
        )
        settings = opening(root, seconds)
        stream = ExperienceStream.open(config, **settings)

        def read(steps: int) -> bool:
            nonlocal stale
            for _ in range(steps):
                seconds[0] += 0.3
                rows, _ = stream.next(range(LANES))
                for i in range(len(rows.length)):
                    number = int(rows.document[i][0])
                    begin, length = int(rows.offset[i]), int(rows.length[i])
                    if rows.bytes[i, :length].tobytes() == texts[number][begin : begin + length]:
                        counts[number][begin : begin + length] += 1
                    else:
                        stale += length
                if not len(rows.length):
                    return False
            return True

        for act, value, size in acts:
            if act == "append":
                write(value, len(texts[value]) + size)
            elif act == "rewrite":
                generations[value] += 1
                counts[value][:] = 0
                rewritten += 1
                write(value, size)
            elif act == "read":
                read(value)
            else:
                stream = resumed(stream, config, settings)
        for _ in range(3):
            while read(1000):
                pass
            seconds[0] += 2.0
        assert stale <= rewritten * LANES * 4096, "more than was read ahead"
        split = HoldOut.of(share)
        for number, text in enumerate(texts):
            expected = learnable(split, paths[number].name, len(text))
            np.testing.assert_array_equal(counts[number][: len(text)], expected, err_msg=paths[number].name)
