"""Text on its way into a run's experience: in pieces, and what broke off half-way can be gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.cli.output import size
from daemon.errors import ConflictError, DaemonError, UsageError
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.cli.client import DaemonClient

CHUNK_CHARACTERS = 200_000  # at most 4 bytes each: below the daemon's 1 MiB


class BrokenOffError(ConflictError):
    """Some of the text is in, the rest is not; `num_bytes` is where to go on."""

    def __init__(self, message: str, num_bytes: int) -> None:
        super().__init__(message)
        self.num_bytes = num_bytes


def push(daemon: DaemonClient, run: str, name: str, text: str, *, begin_bytes: int = 0) -> dict[str, Any]:
    """Send a text from a byte on; its last operation.

    Raises:
        UsageError: `begin_bytes` is not within the text, or within a character.
        BrokenOffError: it was refused, or interrupted, after some of it had been journaled.
        DaemonError: as any command, before anything was.
    """
    rest = _from(text, begin_bytes, name)
    taken = begin_bytes
    operation: dict[str, Any] = {}
    for begin in range(0, len(rest), CHUNK_CHARACTERS):
        piece = rest[begin : begin + CHUNK_CHARACTERS]
        try:
            operation = daemon.finished(daemon.post(f"/runs/{run}/experience", {"text": piece}))
        except (DaemonError, KeyboardInterrupt) as error:
            if taken == 0 and not isinstance(error, KeyboardInterrupt):
                raise
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            raise BrokenOffError(
                f"{size(taken)} of {one_line(name)} are journaled and will be read, the rest is not ({why}). "
                f"Go on from there: synapsed feed --from {taken} {one_line(name)}",
                taken,
            ) from error
        taken += len(piece.encode())
    return operation


def _from(text: str, begin_bytes: int, name: str) -> str:
    content = text.encode()
    if begin_bytes and begin_bytes >= len(content):
        raise UsageError(f"--from {begin_bytes}: {one_line(name)} has {len(content):,} bytes of text")
    try:
        return content[begin_bytes:].decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"--from {begin_bytes} lies within a character of {one_line(name)}; take the number that feed told"
        ) from None


def unicode_of(text: str, what: str) -> str:
    """The text of an argument.

    Raises:
        UsageError: its bytes are no text in the terminal's encoding.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) & 0xFF
        raise UsageError(
            f"{what} is no UTF-8: byte 0x{byte:02x} at character {error.start + 1}; type it in UTF-8, or set LANG "
            "to the encoding of the terminal"
        ) from None
    return text
