"""Whatever the files, the mix, the moment: every byte once a pass, no held-out byte ever, resumes exact."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config.tree import StreamConfig
from daemon.streams.cursor import Cursor
from daemon.streams.holdout import BLOCK_BYTES, HoldOut
from daemon.streams.stream import ExperienceStream

LANES = 5
SIZES = st.lists(
    st.one_of(st.integers(1, 300), st.integers(4000, 4200), st.integers(8000, 60_000)), min_size=1, max_size=5
)
MixName = Literal["sequential", "round_robin", "weighted"]
MIXES: st.SearchStrategy[MixName] = st.sampled_from(("sequential", "round_robin", "weighted"))


def write_sources(root: Path, sources: list[list[int]]) -> tuple[str, ...]:
    """One folder a source, files of the sizes given, every byte recognisable by its place."""
    for number, sizes in enumerate(sources):
        folder = root / f"source{number}"
        folder.mkdir()
        for i, size in enumerate(sizes):
            places = np.arange(size, dtype=np.int64)
            (folder / f"{i}.txt").write_bytes(
                (places * 31 % 97 + (places >> 7) % 11 + 14 + i).astype(np.uint8).tobytes()
            )
    return tuple(str(root / f"source{number}") for number in range(len(sources)))


def open_stream(root: Path, config: StreamConfig, cursor: Cursor | None = None) -> ExperienceStream:
    return ExperienceStream.open(
        config, lanes=LANES, seed=3, cache=root / "cache", emit=lambda event: None, cursor=cursor
    )


@settings(max_examples=25, deadline=None)
@given(
    sources=st.lists(SIZES, min_size=1, max_size=3),
    mix=MIXES,
    share=st.sampled_from([0.0, 0.01, 0.25]),
    segment_bytes=st.sampled_from([64, 96, 256]),
    steps=st.integers(1, 400),
)
def test_every_byte_is_delivered_once_a_pass_and_no_held_out_byte_ever(
    sources: list[list[int]], mix: MixName, share: float, segment_bytes: int, steps: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        split = HoldOut.of(share)
        config = StreamConfig(
            data=write_sources(root, sources),
            mix=mix,
            segment_bytes=segment_bytes,
            held_out_share=share,
        )
        learnable = [
            sum(
                not split.holds(f"{i}.txt", b)
                for i, size in enumerate(sizes)
                for b in range(-(-size // BLOCK_BYTES))
            )
            for sizes in sources
        ]
        if not any(learnable):
            return
        stream = open_stream(root, config)
        files = {
            (s, f"{i}.txt"): np.frombuffer((root / f"source{s}" / f"{i}.txt").read_bytes(), np.uint8)
            for s, sizes in enumerate(sources)
            for i in range(len(sizes))
        }
        counts = {key: np.zeros(len(data), np.int64) for key, data in files.items()}
        ended_short = [True] * LANES
        last: list[tuple[int, str, int] | None] = [None] * LANES
        for _ in range(steps):
            experience, cursor = stream.next(range(LANES))
            for i in range(LANES):
                key = (int(experience.source[i]), experience.document[i])
                begin, length = int(experience.offset[i]), int(experience.length[i])
                assert 1 <= length <= segment_bytes
                np.testing.assert_array_equal(
                    experience.bytes[i, :length], files[key][begin : begin + length]
                )
                assert not experience.bytes[i, length:].any()
                follows = last[i] == (*key, begin) and not ended_short[i]
                assert bool(experience.reset[i]) == (not follows)
                counts[key][begin : begin + length] += 1
                last[i], ended_short[i] = (*key, begin + length), length < segment_bytes
        for key, count in counts.items():
            np.testing.assert_array_equal(
                count, expected_counts(cursor, split, key, len(count)), err_msg=str(key)
            )


def expected_counts(cursor: Cursor, split: HoldOut, key: tuple[int, str], size: int) -> np.ndarray:
    """How often each byte of a document must have been delivered, read off the cursor."""
    source, document = key
    state = cursor.sources[source]
    expected = np.full(size, state.number - 1, np.int64)
    if state.document is not None:
        if document < state.document:
            expected += 1
        elif document == state.document:
            expected[: state.offset] += 1
    width = len(cursor.sources) + 1
    for extent in cursor.held[source::width]:
        if extent is not None and extent.document == document:
            expected[extent.offset : extent.end] -= 1
    for block in range(-(-size // BLOCK_BYTES)):
        if split.holds(document, block):
            expected[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] = 0
    return expected


@settings(max_examples=25, deadline=None)
@given(
    sources=st.lists(SIZES, min_size=1, max_size=3),
    mix=MIXES,
    before=st.integers(0, 150),
    pushes=st.dictionaries(st.integers(0, 250), st.binary(min_size=1, max_size=5000), max_size=4),
    epoch=st.sampled_from([None, 37]),
)
def test_a_cursor_of_any_moment_resumes_exactly(
    sources: list[list[int]], mix: MixName, before: int, pushes: dict[int, bytes], epoch: int | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = StreamConfig(
            data=write_sources(root, sources),
            mix=mix,
            held_out_share=0.0,
            samples_per_pass=epoch,
        )
        stream = open_stream(root, config)

        def step(of: ExperienceStream, number: int) -> tuple[object, ...]:
            if number in pushes:
                of.push(pushes[number], sequence=number + 1, origin="test")
            lanes = [lane for lane in range(LANES) if (number + lane) % 4]  # some lanes sit out
            experience, _ = of.next(lanes)
            columns = (
                experience.bytes,
                experience.length,
                experience.reset,
                experience.source,
                experience.offset,
            )
            return (*(column.tobytes() for column in columns), experience.document)

        for number in range(before):
            step(stream, number)
        twin = open_stream(root, config, Cursor.from_json(json.loads(json.dumps(stream.cursor().to_json()))))
        for number in range(before, before + 120):
            assert step(stream, number) == step(twin, number)
        assert stream.cursor() == twin.cursor()
        assert stream.passes_finished == twin.passes_finished
