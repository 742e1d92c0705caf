"""Gzip, other encodings than UTF-8 and PDFs become a UTF-8 file in the cache, once, to be read at any offset."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import math
import os
import queue
import threading
import time
import zlib
from concurrent.futures import Future
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from daemon.streams.decoded_cache import trim
from daemon.streams.documents.extracting import text_of
from daemon.streams.encodings import (
    GZIP_WBITS,
    HEAD_BYTES,
    Verdict,
    classify,
    cut_character,
    detect,
    has_hole,
)
from daemon.streams.errors import UndecodableError
from daemon.system.durable import replace_file
from daemon.system.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from io import FileIO
    from pathlib import Path

MAX_DECODED_BYTES = 1 << 30
IN_USE_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_CUT_SUFFIX = ".cut.txt"


class CacheUnwritableError(OSError):
    """The cache cannot be written for now; the document may be sound, and is to be asked for again."""


class Decoded(NamedTuple):
    """A document in the cache; `cut` when it was longer than the cache takes."""

    path: Path
    size: int
    cut: bool


class _Order(NamedTuple):
    """A document to decode; `stem` is the name of its decoded form without ending."""

    path: Path
    verdict: Verdict
    stem: str


class DecodedCache:
    """The folder of decoded documents, keyed by path, size and modification time of the original.

    What will be read soon is decoded ahead on a thread, so that no step waits for it; the thread dies with the
    process, and what it leaves half written is never read. All documents together take at most `room_bytes`, but for
    those that were read in the last minute: what goes is decoded again when it is asked for.

    `degraded` is None, or why it cannot be written: a full disk, for instance. Writing is retried with back-off.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = MAX_DECODED_BYTES, room_bytes: float = float("inf")
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._room_bytes = room_bytes
        self.degraded: str | None = None
        self._retry = Retry()
        self._read_at: dict[str, float] = {}  # name in the folder → monotonic seconds
        self._ahead: dict[str, Future[Decoded]] = {}
        self._orders: queue.SimpleQueue[tuple[Future[Decoded], _Order]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def prepare(self, path: Path, size: int, mtime_ns: int, verdict: Verdict) -> None:
        """Begin to decode a document that will be asked for soon."""
        order = _Order(path, verdict, self._stem(path, size, mtime_ns, verdict.form))
        if order.stem in self._ahead or self._made(order.stem):
            return
        future = self._ahead[order.stem] = Future()
        self._orders.put((future, order))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="decoding", daemon=True)
            self._thread.start()

    def get(self, path: Path, size: int, mtime_ns: int, verdict: Verdict) -> Decoded:
        """The decoded form of a document, made now if it is not there.

        Raises:
            UndecodableError: damaged or locked, without text, or in an encoding that cannot be detected.
            CacheUnwritableError: ask again when `due`.
            OSError: the original cannot be read.
        """
        order = _Order(path, verdict, self._stem(path, size, mtime_ns, verdict.form))
        if (future := self._ahead.pop(order.stem, None)) is not None:
            return future.result()
        made = self._made(order.stem)
        if made is None:
            return self._make(order)
        with contextlib.suppress(OSError):
            # As read just now, for other processes to see; not every file system notes that by itself.
            os.utime(made.path, ns=(time.time_ns(), made.path.stat().st_mtime_ns))
        return made

    @property
    def due(self) -> bool:
        """The cache can be written, as far as is known, or it is time to try again."""
        return self._retry.due

    def note_read(self, path: Path) -> None:
        """A decoded document is being read."""
        self._read_at[path.name] = time.monotonic()

    def _work(self) -> None:
        while True:
            future, order = self._orders.get()
            try:
                future.set_result(self._make(order))
            except Exception as error:  # noqa: BLE001 - raised where the document is asked for
                future.set_exception(error)

    def _stem(self, path: Path, size: int, mtime_ns: int, form: str | None) -> str:
        parts = (path, size, mtime_ns, self._max_bytes, *(() if form is None else (form,)))
        key = "\0".join(map(str, parts)).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(key, digest_size=16).hexdigest()

    def _made(self, stem: str) -> Decoded | None:
        for cut, suffix in ((False, ".txt"), (True, _CUT_SUFFIX)):
            target = self._folder / (stem + suffix)
            with contextlib.suppress(FileNotFoundError):
                return Decoded(target, target.stat().st_size, cut)
        return None

    def _make(self, order: _Order) -> Decoded:
        if not self._retry.due:
            raise CacheUnwritableError(self.degraded)
        partial = self._folder / f"{order.stem}.{os.getpid()}.partial"
        try:
            with _writing():
                self._folder.mkdir(parents=True, exist_ok=True)
            cut = self._decode(order.path, order.verdict, partial)
            target = self._folder / (order.stem + (_CUT_SUFFIX if cut else ".txt"))
            with _writing():
                replace_file(partial, target)
        except CacheUnwritableError as error:
            self._retry.failed()
            self.degraded = f"packed text cannot be decoded into {self._folder} ({error.strerror})"
            raise
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
        self._retry.succeeded()
        self.degraded = None
        decoded = Decoded(target, target.stat().st_size, cut)
        self.note_read(target)
        if math.isfinite(self._room_bytes):
            since = time.monotonic() - IN_USE_SECONDS
            in_use = {name for name, read_at in list(self._read_at.items()) if read_at >= since}
            trim(self._folder, self._room_bytes, in_use=in_use)
        return decoded

    def _decode(self, path: Path, verdict: Verdict, target: Path) -> bool:
        """Write the UTF-8 form; returns whether it had to be cut."""
        written = 0
        pieces = _decoded(path, verdict) if verdict.form is None else text_of(path, verdict.form)
        with contextlib.closing(pieces), _created(target) as file:
            for piece in pieces:
                text = piece.encode("utf-8", "replace")
                if written + len(text) > self._max_bytes:
                    kept = text[: self._max_bytes - written]
                    _write(file, kept[: len(kept) - cut_character(kept)])
                    return True
                _write(file, text)
                written += len(text)
        return False


def _decoded(path: Path, verdict: Verdict) -> Generator[str]:
    """Pieces of a text file that is packed, or in another encoding."""
    with path.open("rb") as original:
        original.seek(verdict.hole)
        decoder = codecs.getincrementaldecoder(_encoding(original, verdict))(errors="replace")
        for chunk in _inflated(original) if verdict.gzip else _chunks(original):
            yield decoder.decode(chunk)
        # A character that is not complete is not text yet: what is appended to a followed file completes it.


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Mark a failure to write the cache, as opposed to one to read the original."""
    try:
        yield
    except OSError as error:
        raise CacheUnwritableError(error.errno, error.strerror or str(error)) from error


def _created(path: Path) -> FileIO:
    """A new file without a buffer, so that closing it cannot fail."""
    with _writing():
        return path.open("wb", buffering=0)


def _write(file: FileIO, data: bytes) -> None:
    with _writing():
        _put(file, data)


def _put(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def decode(content: bytes, *, max_bytes: int = MAX_DECODED_BYTES) -> str:
    """The text of a whole document, decoded as the files of a stream are, without a character cut off at its end.

    Raises:
        UndecodableError: binary, damaged, in no encoding that can be detected, or longer than `max_bytes` unpacked.
    """
    if has_hole(content[:HEAD_BYTES]):
        content = content.lstrip(b"\0") or content
    verdict = classify(content[:HEAD_BYTES])
    if verdict.skip == "empty":
        return ""
    if verdict.skip:
        raise UndecodableError("it is not text" if verdict.skip == "binary" else "its gzip data is damaged")
    if verdict.gzip:
        content = _unpacked(content, max_bytes)
    encoding = _encoding(io.BytesIO(content), verdict._replace(gzip=False))
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError as error:
        # Legacy text may look like UTF-8 for longer than a head; all before its first odd byte is ASCII then.
        if verdict.encoding is None and content[: error.start].isascii():
            encoding = detect(content[error.start : error.start + HEAD_BYTES]) or encoding
        return codecs.getincrementaldecoder(encoding)("replace").decode(content)


def _unpacked(content: bytes, max_bytes: int) -> bytes:
    unpacked = bytearray()
    for chunk in _inflated(io.BytesIO(content)):
        unpacked += chunk
        if len(unpacked) > max_bytes:
            raise UndecodableError(f"it unpacks to more than {max_bytes >> 20} MiB")
    return bytes(unpacked)


def _encoding(original: BinaryIO, verdict: Verdict) -> str:
    if verdict.encoding is None:
        return "utf-8-sig"
    if verdict.encoding != "?":
        return verdict.encoding
    found = detect(original.read(HEAD_BYTES), gzip=verdict.gzip)
    original.seek(verdict.hole)
    if found is None:
        raise UndecodableError("its encoding cannot be detected")
    return found


def _chunks(original: BinaryIO) -> Iterator[bytes]:
    while chunk := original.read(_CHUNK_BYTES):
        yield chunk


def _inflated(original: BinaryIO) -> Iterator[bytes]:
    """Bytes of all members of a gzip file, in bounded pieces."""
    inflate = zlib.decompressobj(GZIP_WBITS)
    try:
        for chunk in _chunks(original):
            waiting = chunk
            while waiting:
                if inflate.eof:
                    if not waiting.strip(b"\0"):  # padding behind the last member
                        break
                    inflate = zlib.decompressobj(GZIP_WBITS)
                yield inflate.decompress(waiting, _CHUNK_BYTES)
                waiting = inflate.unconsumed_tail or inflate.unused_data
    except zlib.error as error:
        raise UndecodableError(f"its gzip data is damaged ({error})") from error
    if not inflate.eof:
        raise UndecodableError("its gzip data ends too early")
