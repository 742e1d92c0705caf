"""The stream of experience: lanes that read on in parallel, through sources that never end.

A source read to its end begins again, or is followed: then a lane may find nothing to read for a while.

1. At the end of a stretch a lane takes up pushed experience, or asks the mix for a source or segment.
2. There it continues in the extent it holds, or is handed the next one.
3. It reads a row, at most T bytes; the row is marked `reset` when it does not follow on the lane's last one.
4. With the rows comes a cursor: taken up again, it gives the same rows that would have followed.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from daemon.config.keep import GIB, keep_as_far_as_sound
from daemon.errors import StreamError
from daemon.events import Event, PassFinished, SettingRestored, SourceChanged
from daemon.streams.cursor import Cursor, Extent, LaneState, Tail
from daemon.streams.decoding import DecodedCache
from daemon.streams.event_limits import is_reported
from daemon.streams.experience import Experience, Row
from daemon.streams.following import FollowingReader
from daemon.streams.holdout import HeldOutSet, HoldOut
from daemon.streams.mixes import mixes
from daemon.streams.places import Places
from daemon.streams.pushed import PushedQueue, edited
from daemon.streams.read_ahead import ReadAhead
from daemon.streams.source_reader import SourceReader
from daemon.streams.sources import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from brain.ports import Choice
    from daemon.config.tree import StreamConfig
    from daemon.streams.listing import SourceInfo
    from daemon.streams.mixes.mix import Mix
    from daemon.streams.pushed import Edit


class ExperienceStream:
    """Endless experience for a number of lanes; see `open`."""

    def __init__(
        self,
        config: StreamConfig,
        *,
        lanes: int,
        seed: int,
        cache: Path,
        emit: Callable[[Event], None],
        monotonic: Callable[[], float],
        progressed: Callable[[], None],
    ) -> None:
        split = HoldOut.of(config.held_out_share)
        paths = resolve(config.data, config.source, home=cache.parent)
        self._config = config
        self._emit = emit
        self._follows = config.at_end == "wait"
        mix = cast("type[Mix]", mixes.get(config.mix).load())
        # A growing source has no parts that stay the same.
        segments = mix.segments if len(paths) == 1 and not self._follows else 1
        names = tuple(path.name for path in paths)
        if segments > 1:
            names = tuple(f"{names[0]} {number}/{segments}" for number in range(1, segments + 1))
        self._mix = mix(names, lanes=lanes, weights=config.weights)
        room_bytes = keep_as_far_as_sound(cache.parent).cache_gib * GIB
        decoded = self._cache = DecodedCache(cache, room_bytes=room_bytes)
        kind = FollowingReader if self._follows else SourceReader
        reader = partial(kind, monotonic=monotonic, progressed=progressed)
        self._readers = [
            reader(path, split=split, cache=decoded, emit=emit, num_segments=segments) for path in paths
        ]
        for source, one in enumerate(self._readers):
            one.on_void = partial(self._void, source)
        self._pushed = PushedQueue()
        self._places = Places(self._readers, lanes=lanes)
        self._lanes = [LaneState() for _ in range(lanes)]
        self._ahead = ReadAhead(lanes)
        self._rows = self._pass_rows = self._passes = 0
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._generator_state: dict[str, Any] = dict(self._generator.bit_generator.state)

    @classmethod
    def open(
        cls,
        config: StreamConfig,
        *,
        lanes: int,
        seed: int,
        cache: Path,
        emit: Callable[[Event], None],
        cursor: Cursor | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        progressed: Callable[[], None] = lambda: None,
    ) -> ExperienceStream:
        """List the sources and stand at the beginning, or where `cursor` was taken. Reads heads, no bodies.

        `cache` is the home's folder for decoded documents; what lies beside it in the home is never read.
        `monotonic` times when followed sources are looked at again. `progressed` is called again and again while
        files are listed; it may raise Interrupted, which passes here, and later ends but the look at the files.

        Raises:
            StreamError: a path does not exist, or there is nothing readable in it.
            ConfigError: the mix's weights or the held-out share are wrong.
        """
        stream = cls(
            config, lanes=lanes, seed=seed, cache=cache, emit=emit, monotonic=monotonic, progressed=progressed
        )
        if cursor is None:
            for reader in stream._readers:
                reader.require_documents()
        else:
            stream._resume(cursor)
        return stream

    def next(self, lanes: Sequence[int]) -> tuple[Experience, Cursor]:
        """One row for each of the lanes named, and the cursor behind them.

        Of followed sources only lanes that have something to read have a row, and the others are asked when none
        of these has; without any row nothing has changed.

        Raises:
            StreamError: every source has become empty.
        """
        rows = [row for lane in lanes if (row := self._row(lane)) is not None]
        if not rows:
            rows = [row for lane in range(len(self._lanes)) if (row := self._row(lane)) is not None]
        return Experience.of(rows, self._config.segment_bytes), self.cursor()

    def cursor(self) -> Cursor:
        """Where the stream stands now: what `next` returned last, and what was pushed and learned since."""
        return Cursor(
            rows=self._rows,
            pass_rows=self._pass_rows,
            passes=self._passes,
            held_out_share=self._config.held_out_share,
            generator=self._generator_state,
            mix=self._config.mix,
            mix_state=self._mix.state(),
            sources=tuple(reader.state for reader in self._readers),
            lanes=tuple(self._lanes),
            held=tuple(self._places.held),
            sequence=self._pushed.sequence,
            pushed_texts=self._pushed.num_texts,
            pushed_bytes=self._pushed.num_bytes,
            pushed=self._pushed.texts,
        )

    def require_room(self, num_bytes: int, *, origin: str) -> None:
        """Refuse a text, by a StreamError, with which more than 16 MiB would be waiting."""
        self._pushed.require_room(num_bytes, origin=origin)

    def push(self, text: bytes, *, sequence: int, origin: str) -> bool:
        """Let a text in at the next stretch end of any lane; False when it is empty.

        `Journal.replay_from` knows which journal entries have been pushed already; `sequence` names the text.
        """
        return self._pushed.push(text, sequence=sequence, origin=origin)

    def edit_pushed(self, edit: Edit) -> None:
        """Change or drop pushed texts that are not read to their end."""
        self._pushed.texts, gone = edited(self._pushed.texts, edit)
        self._ahead.void(len(self._readers), lambda _: True)
        self._lose(len(self._readers), gone.__contains__)

    def learned(self, source: int, loss: float, *, lane: int | None = None) -> None:
        """Report to the mix the loss (nats per byte, before the update) of a row of `source`.

        `lane` is the one whose newest row it was; a source read in segments needs it.
        """
        if source == len(self._readers):
            return
        places = self._places.of(source)
        place = places[0] if len(places) == 1 else -1 if lane is None else self._lanes[lane].place
        if place in places:
            self._mix.learned(place, loss)

    @property
    def degraded(self) -> str | None:
        """Why some documents are put off, None while all that is there can be read."""
        return self._cache.degraded

    def choices(self) -> tuple[Choice, ...]:
        """What each lane decided last since the last call, if the mix is one that acts."""
        return self._mix.choices()

    @property
    def sources(self) -> tuple[SourceInfo, ...]:
        """What is read, by index; the last is pushed experience."""
        return (*(reader.info for reader in self._readers), self._pushed.info)

    @property
    def passes_finished(self) -> int:
        """Passes ended by `samples_per_pass` where that is set, else those read of every source."""
        if self._config.samples_per_pass is not None:
            return self._passes
        return min(reader.state.finished for reader in self._readers)

    def held_out(self, source: int) -> HeldOutSet:
        """The blocks of a source that are never learned from; pushed experience has none."""
        if source == len(self._readers):
            return HeldOutSet(HoldOut.of(0), (), self._pushed.read, fingerprint="")
        return self._readers[source].held_out()

    def _row(self, lane: int) -> Row | None:
        if self._config.samples_per_pass is not None and self._pass_rows >= self._config.samples_per_pass:
            self._end_pass()
        while True:
            if (settled := self._settle(lane)) is None:
                return None
            place, extent = settled
            source = self._places.sources[place]
            wanted = min(self._config.segment_bytes, extent.end - extent.offset)
            data = self._read(lane, source, extent, wanted)
            if len(data) < wanted and source < len(self._readers):
                self._readers[source].lose(extent.document)
            if data:
                break
            self._let_go(lane, place)
        before = self._lanes[lane]
        end = extent.offset + len(data)
        full = len(data) == self._config.segment_bytes
        tail = Tail(source, extent.document, end) if full else None
        self._lanes[lane] = LaneState(place, before.stretch + len(data), tail)
        self._rows += 1
        self._pass_rows += 1
        if end == extent.end or len(data) < wanted:
            self._let_go(lane, place)
        else:
            self._places.hold(lane, place, extent._replace(offset=end))
        reset = before.tail != (source, extent.document, extent.offset)
        return Row(lane, data, source, extent.document, extent.offset, reset)

    def _settle(self, lane: int) -> tuple[int, Extent] | None:
        """The place a lane reads in now and the extent it holds there; None while there is nothing to read."""
        place, stretch, tail = self._lanes[lane]
        if self._is_over(lane, place):
            place = -1
        vain = 0
        while True:
            if place < 0 or (stretch >= self._config.stretch_bytes and not self._within_whole(lane, place)):
                place, stretch = self._choose(lane), 0
                if place < 0:
                    return None
            extent = self._places.extent(lane, place) or self._dispatch(place)
            if extent is not None:
                self._places.hold(lane, place, extent)
                self._lanes[lane] = LaneState(place, stretch, tail)
                return place, extent
            place = -1  # a pass has ended there: choose again
            vain += 1
            if vain > 4 * self._places.width:
                paths = ", ".join(str(reader.source.path) for reader in self._readers)
                raise StreamError(f"nothing readable is left in {paths}; put text there, then continue")

    def _within_whole(self, lane: int, place: int) -> bool:
        """Whether a lane holds a text there that is not to be left before its end."""
        held = place < self._places.pushed and self._places.extent(lane, place) is not None
        return held and self._readers[self._places.sources[place]].corpus.whole

    def _is_over(self, lane: int, place: int) -> bool:
        """The lane is through with its extent, and so is the source with its pass: time to choose again."""
        if not 0 <= place < self._places.pushed or self._places.extent(lane, place) is not None:
            return False
        return self._readers[self._places.sources[place]].state.document is None

    def _choose(self, lane: int) -> int:
        """Where a lane reads next; -1 while there is nothing to read."""
        places = self._places
        if self._pushed.waiting or places.extent(lane, places.pushed) is not None:
            return places.pushed
        if self._follows:
            if not (offered := places.open_candidates(lane)):
                return -1
        elif self._mix.acts:
            offered = places.ready_candidates(lane, self._rows)
            for source in range(len(self._readers)):
                self._count_passes(source)  # one may have begun its next pass
        else:
            offered = places.all_candidates(lane, self._rows)
        chosen = offered[self._mix.choose(lane, offered, self._generator)].source
        self._generator_state = dict(self._generator.bit_generator.state)
        return chosen

    def _dispatch(self, place: int) -> Extent | None:
        source = self._places.sources[place]
        if source == len(self._readers):
            return self._pushed.dispatch()
        extent = self._readers[source].dispatch(self._rows, self._places.segment(place))
        if extent is None:
            self._count_passes(source)
        return extent

    def _read(self, lane: int, source: int, extent: Extent, wanted: int) -> bytes:
        reader = self._pushed if source == len(self._readers) else self._readers[source]
        return self._ahead.read(lane, source, extent, wanted, read=reader.read)

    def _let_go(self, lane: int, place: int) -> None:
        """A lane is through with the extent it holds in a place."""
        self._places.hold(lane, place, None)
        source = self._places.sources[place]
        if source == len(self._readers):
            self._pushed.release(self._places.of_source(source))
        else:
            self._count_passes(source)

    def _void(self, source: int, document: str) -> None:
        """What lanes hold of a document, and have read ahead of it, is not there any more."""

        def is_void(name: str) -> bool:
            return self._readers[source].corpus.locate(name, 0)[0] == document

        self._lose(source, is_void)

    def _lose(self, source: int, is_void: Callable[[str], bool]) -> None:
        self._places.void(source, is_void)
        self._ahead.void(source, is_void)
        for lane, state in enumerate(self._lanes):
            if state.tail is not None and state.tail.source == source and is_void(state.tail.document):
                self._lanes[lane] = state._replace(tail=None)

    def _count_passes(self, source: int) -> None:
        """A pass is finished when the head has left it and no lane holds any of it."""
        state = self._readers[source].state
        if self._config.samples_per_pass is not None or state.finished == state.number - 1:
            return
        held = self._places.of_source(source)
        finished = min([state.number, *(extent.number for extent in held)]) - 1
        for number in range(state.finished + 1, finished + 1):
            if number == 1 or (is_reported(number) and not self._follows):
                self._emit(PassFinished(source=state.name, number=number))
        if finished > state.finished:
            self._readers[source].state = state._replace(finished=finished)

    def _end_pass(self) -> None:
        """A classic epoch is over: every source begins again."""
        self._passes += 1
        self._pass_rows = 0
        for lane in range(len(self._lanes)):
            for place in range(self._places.pushed):
                self._places.hold(lane, place, None)
            if self._places.extent(lane, self._places.pushed) is None:
                self._lanes[lane] = LaneState()
        for reader in self._readers:
            reader.begin_pass()
            self._emit(PassFinished(source=reader.source.name, number=self._passes))

    def _resume(self, cursor: Cursor) -> None:
        self._rows, self._pass_rows, self._passes = cursor.rows, cursor.pass_rows, cursor.passes
        self._generator.bit_generator.state = dict(cursor.generator)
        self._generator_state = dict(cursor.generator)
        if cursor.mix == self._config.mix:
            self._mix.load(cursor.mix_state)
        totals = {"num_texts": cursor.pushed_texts, "num_bytes": cursor.pushed_bytes}
        self._pushed.load(cursor.pushed, sequence=cursor.sequence, **totals)
        sources = self._resume_sources(cursor)
        self._resume_lanes(cursor, sources)

    def _resume_sources(self, cursor: Cursor) -> dict[int, int]:
        """Heads of the sources known to the cursor; returns old index → new index."""
        index = {reader.source.name: source for source, reader in enumerate(self._readers)}
        sources = {len(cursor.sources): len(self._readers)}
        for source, state in enumerate(cursor.sources):
            if state.name in index:
                sources[source] = index[state.name]
                self._readers[index[state.name]].resume(state)
            else:
                self._emit(SourceChanged(source=state.name, what="it is no longer read"))
        for name in index.keys() - {state.name for state in cursor.sources}:
            self._readers[index[name]].require_documents()
            self._emit(SourceChanged(source=name, what="it was not read before; it begins at its beginning"))
        return sources

    def _resume_lanes(self, cursor: Cursor, sources: dict[int, int]) -> None:
        cut_anew = cursor.held_out_share != self._config.held_out_share
        if len(cursor.lanes) != len(self._lanes) or cut_anew:
            self._emit(
                SettingRestored(
                    what=f"The stream had {len(cursor.lanes)} lanes, {cursor.held_out_share:g} held out; "
                    f"with {len(self._lanes)} and {self._config.held_out_share:g} some lanes start over"
                )
            )
        for lane, state in enumerate(cursor.lanes[: len(self._lanes)]):
            place = self._places.resume(lane, state, cursor, sources)
            if cut_anew:  # an old extent may cross a block that is held out now
                for other in range(self._places.pushed):
                    self._places.hold(lane, other, None)
            tail = state.tail
            if tail is not None:
                tail = tail._replace(source=sources[tail.source]) if tail.source in sources else None
            self._lanes[lane] = LaneState(place, state.stretch, tail)
