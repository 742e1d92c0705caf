"""Places: where a lane may hold text it has not read to its end, and what an acting mix is offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.streams.mixes.mix import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.streams.cursor import Cursor, Extent, LaneState
    from daemon.streams.source_reader import SourceReader


class Places:
    """The sources, or the segments of a single one, then pushed experience; the extents lanes hold in them.

    `held` is lane-major: lanes × width.
    """

    def __init__(self, readers: Sequence[SourceReader], *, lanes: int) -> None:
        self.sources = [
            source for source, reader in enumerate(readers) for _ in range(reader.state.num_places)
        ] + [len(readers)]
        self.width = len(self.sources)
        self.pushed = self.width - 1
        self._first = [self.sources.index(source) for source in range(len(readers) + 1)]
        self._readers = readers
        self.held: list[Extent | None] = [None] * (lanes * self.width)

    def of(self, source: int) -> range:
        """Places of a source."""
        if source == len(self._readers):
            return range(self.pushed, self.width)
        return range(self._first[source], self._first[source + 1])

    def segment(self, place: int) -> int:
        """Which segment of its source a place is."""
        return place - self._first[self.sources[place]]

    def resume(self, lane: int, state: LaneState, cursor: Cursor, sources: Mapping[int, int]) -> int:
        """Take a lane's extents over from a cursor; returns its place now, or -1. `sources`: old index → new.

        Where a source is cut otherwise now, an extent goes to the segment that it lies in.
        """
        reading = -1
        old_places = cursor.places
        for old, source in enumerate(old_places):
            if source not in sources:
                continue
            places = self.of(sources[source])
            extent = cursor.held[lane * len(old_places) + old]
            if len(places) == old_places.count(source):
                place = places[old - old_places.index(source)]
            else:
                place = places[0 if extent is None else self._readers[sources[source]].place_of(extent)]
            if extent is not None and (old == state.place or self.extent(lane, place) is None):
                self.hold(lane, place, extent)
            reading = place if old == state.place else reading
        return reading

    def extent(self, lane: int, place: int) -> Extent | None:
        """What a lane holds in a place."""
        return self.held[lane * self.width + place]

    def hold(self, lane: int, place: int, extent: Extent | None) -> None:
        """Give a lane an extent, or take it away."""
        self.held[lane * self.width + place] = extent

    def void(self, source: int, is_void: Callable[[str], bool]) -> None:
        """Take away what lanes hold of documents of a source that are not there any more."""
        places = self.of(source)
        for index, extent in enumerate(self.held):
            if extent is not None and index % self.width in places and is_void(extent.document):
                self.held[index] = None

    def of_source(self, source: int) -> list[Extent]:
        """What all lanes hold of a source."""
        columns = (self.held[place :: self.width] for place in self.of(source))
        return [extent for column in columns for extent in column if extent is not None]

    def all_candidates(self, lane: int, rows: int) -> list[Candidate]:
        """Every place of a source that is not asleep, of all sources when all sleep."""
        candidates = [self._candidate(lane, place) for place in range(self.pushed)]
        awake = [
            candidate
            for candidate in candidates
            if self._readers[self.sources[candidate.source]].state.asleep_until <= rows
        ]
        return awake or candidates

    def ready_candidates(self, lane: int, rows: int) -> list[Candidate]:
        """Places with text for this lane; of each source only the oldest pass it is not through with."""
        candidates: list[Candidate] = []
        for source, reader in enumerate(self._readers):
            places = self.of(source)
            held = {place: extent for place in places if (extent := self.extent(lane, place)) is not None}
            offered = {place for place, extent in held.items() if extent.number < reader.state.number}
            if not offered:
                # A lane that holds text does not begin the next pass for all.
                ready = reader.ready() if held else reader.offers(rows)
                offered = held.keys() | {places[segment] for segment in ready}
            candidates += [self._candidate(lane, place) for place in sorted(offered)]
        return candidates or self.all_candidates(lane, rows)

    def open_candidates(self, lane: int) -> list[Candidate]:
        """Places, of followed sources, with text for this lane; none while there is nothing to read."""
        return [
            self._candidate(lane, place)
            for place in range(self.pushed)
            if self.extent(lane, place) is not None or self._readers[self.sources[place]].ready()
        ]

    def _candidate(self, lane: int, place: int) -> Candidate:
        number = self._readers[self.sources[place]].state.number
        return Candidate(place, self.extent(lane, place) is not None, number)
