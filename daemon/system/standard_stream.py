"""A standard stream to which writing never raises, whatever has become of it.

A reader that has gone, a full disk or a letter that the terminal's encoding lacks costs what was to be printed,
never the process. Text from outside is shown, not obeyed.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TextIO

from daemon.system.escaping import shown

# These may be over in a minute; everything else means that nothing will ever be written here again.
PASSING = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "ENOMEM", "ENOBUFS", "EINTR")
    if hasattr(errno, name)
)

# The reader has seen enough; nothing is wrong. (Windows says EINVAL.)
READER_LEFT = frozenset({errno.EPIPE, errno.ECONNRESET, *({errno.EINVAL} if sys.platform == "win32" else ())})


class OutputGoneError(OSError):
    """Whoever read this output has gone: `synapsed logs -f | head`.

    It carries no errno: on EPIPE the option parser would end the process itself.
    """


class Printer(io.TextIOBase):
    """Standard output or standard error; `gone` says why nothing can be written any more.

    `lost` says why something was not written that should have been; a reader that left is no such reason.

    Writes go past Python's buffer: a thread that waits for a terminal holds no lock that the end of the process
    needs, and nothing is left to flush then.
    """

    def __init__(self, stream: TextIO | None, *, plain: bool = False) -> None:
        """`plain`: nothing that is printed may steer the terminal, colours neither."""
        self.gone: str | None = None if stream is not None else "it was closed from the start"
        self.lost: str | None = None
        self._stream = stream
        self._plain = plain
        self._raw = _raw_of(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._encoder = codecs.getincrementalencoder(self._encoding)(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the terminal reads."""
        return self._encoding

    @property
    def speaks_unicode(self) -> bool:
        """Whether every character can be printed."""
        return self._encoding.lower().replace("_", "-").startswith("utf")

    def say(self, text: str = "") -> None:
        """Print lines for a person; control characters in them are shown."""
        self.write(shown(text) + "\n")

    def write(self, text: str) -> int:
        """Print this as it is, with replacements for what the encoding lacks."""
        if not isinstance(text, str):
            raise TypeError("text is expected, not bytes")  # click asks by trying
        if self.gone is None and text:
            try:
                self._write(shown(text) if self._plain else text)
            except (OSError, ValueError) as error:
                number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
                if number not in READER_LEFT:
                    self.lost = reason
                if number not in PASSING:
                    self.gone = reason
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """The descriptor behind it."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def require_reader(self) -> None:
        """Notice a reader that has gone before anything is written.

        Raises:
            OutputGoneError: nobody reads here any more.
        """
        if self.gone is None and self._raw is not None and hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._raw.fileno(), 0)  # hang-up and error are reported unasked
            if any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0)):
                self.gone = os.strerror(errno.EPIPE)
        if self.gone is not None:
            raise OutputGoneError(f"nobody reads: {self.gone}")

    def _write(self, text: str) -> None:
        assert self._stream is not None
        if self._raw is None:
            self._stream.write(text.encode(self._encoding, errors="replace").decode(self._encoding))
            self._stream.flush()
            return
        encoded = self._encoder.encode(text)
        if os.linesep != "\n":
            encoded = encoded.replace(b"\n", os.linesep.encode())
        rest = memoryview(encoded)
        while rest:
            written = self._raw.write(rest)
            if written is None:  # somebody made the descriptor non-blocking
                select.select([], [self._raw.fileno()], [])
            else:
                rest = rest[written:]


def _raw_of(stream: TextIO | None) -> io.RawIOBase | None:
    """The unbuffered file under a stream, if it is a real one."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw if isinstance(raw, io.RawIOBase) else None
