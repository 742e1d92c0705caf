"""Whatever the files and losses: a stream that acts reads every byte once a pass and resumes exactly."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config.tree import StreamConfig
from daemon.events import Event, PassFinished
from daemon.streams.cursor import Cursor
from daemon.streams.holdout import BLOCK_BYTES, HoldOut
from daemon.streams.stream import ExperienceStream

if TYPE_CHECKING:
    from daemon.streams.experience import Experience

LANES = 5
SIZES = st.lists(
    st.one_of(st.integers(1, 300), st.integers(4000, 4200), st.integers(8000, 200_000)),
    min_size=1,
    max_size=5,
)
SOURCES = st.lists(SIZES, min_size=1, max_size=3)


def write_sources(root: Path, sources: list[list[int]]) -> tuple[str, ...]:
    for number, sizes in enumerate(sources):
        (root / f"source{number}").mkdir()
        for i, size in enumerate(sizes):
            places = np.arange(size, dtype=np.int64)
            text = (places * 31 % 97 + (places >> 7) % 11 + 14 + i).astype(np.uint8)
            (root / f"source{number}" / f"{i}.txt").write_bytes(text.tobytes())
    return tuple(str(root / f"source{number}") for number in range(len(sources)))


class Reading:
    """A stream read step by step, each row's loss reported back; losses follow from the rows."""

    def __init__(self, root: Path, config: StreamConfig, cursor: Cursor | None = None) -> None:
        self.events: list[Event] = []
        self.stream = ExperienceStream.open(
            config, lanes=LANES, seed=3, cache=root / "cache", emit=self.events.append, cursor=cursor
        )

    def step(self, number: int, pushes: dict[int, bytes] | None = None) -> Experience:
        if pushes and number in pushes:
            self.stream.push(pushes[number], sequence=number + 1, origin="test")
        lanes = [lane for lane in range(LANES) if (number + lane) % 4]  # some lanes sit out
        experience, _ = self.stream.next(lanes)
        for row, lane in enumerate(lanes):
            loss = float(experience.bytes[row].std()) / (1 + number / 50 * (int(experience.offset[row]) % 7))
            self.stream.learned(int(experience.source[row]), loss, lane=lane)
        return experience


@settings(max_examples=30, deadline=None)
@given(
    sources=SOURCES,
    share=st.sampled_from([0.0, 0.01, 0.25]),
    segment_bytes=st.sampled_from([64, 256]),
    steps=st.integers(1, 500),
)
def test_every_byte_is_read_once_a_pass_and_no_held_out_byte_ever(
    sources: list[list[int]], share: float, segment_bytes: int, steps: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root, split = Path(name), HoldOut.of(share)
        config = StreamConfig(
            data=write_sources(root, sources),
            mix="curious",
            held_out_share=share,
            segment_bytes=segment_bytes,
        )
        keys = [(s, f"{i}.txt", size) for s, sizes in enumerate(sources) for i, size in enumerate(sizes)]
        learnable = {key: learnable_bytes(split, key[1], key[2]) for key in keys}
        if not all(
            any(mask.any() for key, mask in learnable.items() if key[0] == s) for s in range(len(sources))
        ):
            return
        reading = Reading(root, config)
        counts = {key[:2]: np.zeros(key[2], np.int64) for key in keys}
        for number in range(steps):
            experience = reading.step(number)
            for row, document in enumerate(experience.document):
                begin, length = int(experience.offset[row]), int(experience.length[row])
                counts[int(experience.source[row]), document][begin : begin + length] += 1
        cursor = reading.stream.cursor()
        for key in keys:
            finished = cursor.sources[key[0]].finished
            newest = cursor.sources[key[0]].number
            of_source = counts[key[:2]][learnable[key]]
            assert not counts[key[:2]][~learnable[key]].any()
            if of_source.size:
                assert finished <= of_source.min()
                assert of_source.max() <= newest
        assert_unread_bytes_are_in_heads_or_hands(cursor, counts, learnable)


def learnable_bytes(split: HoldOut, document: str, size: int) -> np.ndarray:
    mask = np.ones(size, np.bool_)
    for block in range(-(-size // BLOCK_BYTES)):
        if split.holds(document, block):
            mask[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] = False
    return mask


def assert_unread_bytes_are_in_heads_or_hands(
    cursor: Cursor,
    counts: dict[tuple[int, str], np.ndarray],
    learnable: dict[tuple[int, str, int], np.ndarray],
) -> None:
    """Each byte was read as often as passes were begun, less what a head or a lane has yet to read."""
    for (source, document, size), mask in learnable.items():
        state = cursor.sources[source]
        expected = np.full(size, state.number, np.int64)
        heads = state.segments or ((state.document, state.offset, None, 0),)
        for begin, offset, end, end_offset in heads:
            if begin is None and state.document is not None:
                continue  # all of this segment is handed out
            unread = np.zeros(size, np.bool_)
            first = "" if begin is None else begin
            if first < document:
                unread[:] = True
            elif first == document:
                unread[offset:] = True
            if end is not None and end < document:
                unread[:] = False
            elif end == document:
                unread[end_offset:] = False
            expected -= unread
        for extent, held_in in zip(cursor.held, cursor.places * LANES, strict=True):
            if extent is not None and held_in == source and extent.document == document:
                expected[extent.offset : extent.end] -= 1
        np.testing.assert_array_equal(counts[source, document][mask], expected[mask], err_msg=document)


@settings(max_examples=30, deadline=None)
@given(
    sources=SOURCES,
    before=st.integers(0, 300),
    pushes=st.dictionaries(st.integers(0, 400), st.binary(min_size=1, max_size=5000), max_size=4),
    epoch=st.sampled_from([None, 137]),
)
def test_a_cursor_of_any_moment_resumes_bit_exactly(
    sources: list[list[int]], before: int, pushes: dict[int, bytes], epoch: int | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = StreamConfig(
            data=write_sources(root, sources), mix="curious", held_out_share=0.0, samples_per_pass=epoch
        )
        straight = Reading(root, config)
        for number in range(before):
            straight.step(number, pushes)
            straight.stream.choices()
        record = json.loads(json.dumps(straight.stream.cursor().to_json()))
        assert Cursor.from_json(record) == straight.stream.cursor()
        resumed = Reading(root, config, Cursor.from_json(record))
        for number in range(before, before + 150):
            one, other = straight.step(number, pushes), resumed.step(number, pushes)
            for column in ("bytes", "length", "reset", "source", "offset"):
                np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
            assert one.document == other.document
            assert straight.stream.choices() == resumed.stream.choices()
        assert straight.stream.cursor() == resumed.stream.cursor()
        assert straight.stream.passes_finished == resumed.stream.passes_finished


@settings(max_examples=20, deadline=None)
@given(sources=SOURCES)
def test_choices_name_what_was_read_and_passes_end_in_order(sources: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        reading = Reading(
            root, StreamConfig(data=write_sources(root, sources), mix="curious", held_out_share=0.0)
        )
        for number in range(400):
            experience = reading.step(number)
            lanes, reads = experience.lane.tolist(), reading.stream.cursor().lanes
            choices = reading.stream.choices()
            assert all(count == 1 for count in Counter(choice.lane for choice in choices).values())
            for choice in choices:
                assert choice.lane in lanes
                assert reads[choice.lane].place == choice.chosen
                assert choice.chosen in choice.offered
                assert 2 <= len(choice.offered) <= choice.candidates
        for source in {event.source for event in reading.events if isinstance(event, PassFinished)}:
            numbers = [e.number for e in reading.events if isinstance(e, PassFinished) and e.source == source]
            assert numbers == sorted(set(numbers))
