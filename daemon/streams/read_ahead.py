"""Bytes read ahead for lanes within what they hold: one system call serves some rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.streams.cursor import Extent

_READ_BYTES = 4096


class _Piece(NamedTuple):
    """Bytes of an extent from `start` on."""

    source: int
    document: str
    number: int
    start: int
    data: bytes


class ReadAhead:
    """The newest piece of each lane."""

    def __init__(self, lanes: int) -> None:
        self._pieces: list[_Piece | None] = [None] * lanes

    def read(
        self, lane: int, source: int, extent: Extent, wanted: int, *, read: Callable[[str, int, int], bytes]
    ) -> bytes:
        """The next `wanted` bytes of an extent that a lane holds, by `read(document, offset, length)` if need be."""
        piece, begin = self._pieces[lane], extent.offset
        if piece is not None and piece[:3] == (source, extent.document, extent.number):
            skip = begin - piece.start
            if skip >= 0 and skip + wanted <= len(piece.data):
                return piece.data[skip : skip + wanted]
        data = read(extent.document, begin, min(extent.end - begin, max(_READ_BYTES, wanted)))
        self._pieces[lane] = _Piece(source, extent.document, extent.number, begin, data)
        return data[:wanted]

    def void(self, source: int, is_void: Callable[[str], bool]) -> None:
        """Forget what is read ahead of documents of a source that are not there any more."""
        for lane, piece in enumerate(self._pieces):
            if piece is not None and piece.source == source and is_void(piece.document):
                self._pieces[lane] = None
