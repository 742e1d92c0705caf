"""Text sent into a run's experience in pieces; what broke off half-way can be continued."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.feed_input import STANDARD_INPUT
from daemon.cli.output import size
from daemon.errors import ConflictError, DaemonError, UsageError
from daemon.system.counting import counted
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.cli.client import DaemonClient

CHUNK_CHARACTERS = 200_000  # at most 4 bytes each: below the daemon's 1 MiB


class BrokenOffError(ConflictError):
    """Some of the text is in, the rest is not; `num_bytes` of the file under way are, `command` continues."""

    def __init__(self, message: str, num_bytes: int, command: str) -> None:
        super().__init__(message)
        self.num_bytes = num_bytes
        self.command = command


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What is not sent yet, and where it is to go.

    Attributes:
        files: as they were named; the first is under way.
        run: id of the run.
        home_flag: ` --home X`, or empty where that is not needed.
        begun: files before these are in.
        label: of each file, which is one record then.
    """

    files: tuple[str, ...]
    run: str
    home_flag: str = ""
    begun: bool = False
    label: str | None = None

    def body(self, piece: str) -> dict[str, str]:
        """What is posted of a piece of text."""
        return {"text": piece} | ({} if self.label is None else {"label": self.label})

    @property
    def shown(self) -> str:
        """The first file, for people."""
        return "standard input" if self.files[0] == STANDARD_INPUT else one_line(self.files[0])

    def command(self, num_bytes: int) -> str:
        """The command line that sends it, for a shell here; of the first file from this byte on."""
        dashed = any(name.startswith("-") and name != STANDARD_INPUT for name in self.files)
        from_there = f" --from {num_bytes}" if num_bytes else ""
        label = "" if self.label is None else f" --label {shlex.quote(self.label)}"
        names = " ".join(shlex.quote(_typed(name)) for name in self.files)
        where = f"--run {shlex.quote(self.run)}{self.home_flag}"
        return f"synapsed feed{from_there}{label} {where}{' --' * dashed} {names}"

    def broken_off(self, num_bytes: int, why: str) -> BrokenOffError:
        """The error for what stopped here."""
        if num_bytes:
            progress = (
                f"{size(num_bytes)} of {self.shown} are saved and will be read, the rest is not ({why})."
            )
        else:
            progress = f"nothing of {self.shown} is saved ({why})."
        again = ", with the same text piped in again" if STANDARD_INPUT in self.files else ""
        command = self.command(num_bytes)
        return BrokenOffError(f"{progress} Continue from there{again}: {command}", num_bytes, command)


def push(daemon: DaemonClient, text: str, rest: Rest, *, begin_bytes: int = 0) -> dict[str, Any]:
    """Send the text of the first file of `rest` from a byte on; its last operation.

    Raises:
        UsageError: `begin_bytes` is not within the text, or within a character; a labelled text is too long.
        BrokenOffError: it was refused, or interrupted, after something had been journaled.
        DaemonError: as any command, before anything was.
    """
    remaining = _from(text, begin_bytes, rest.shown)
    if rest.label is not None and len(text) > CHUNK_CHARACTERS:
        raise UsageError(
            f"{rest.shown} is one record with its label, and has more than {CHUNK_CHARACTERS:,} characters"
        )
    taken = begin_bytes
    operation: dict[str, Any] = {}
    for begin in range(0, len(remaining), CHUNK_CHARACTERS):
        piece = remaining[begin : begin + CHUNK_CHARACTERS]
        try:
            operation = daemon.finished(daemon.post(f"/runs/{rest.run}/experience", rest.body(piece)))
        except KeyboardInterrupt as error:
            raise rest.broken_off(taken, "interrupted") from error
        except DaemonError as error:
            if taken == 0 and not rest.begun:
                raise
            raise rest.broken_off(taken, str(error)) from error
        taken += len(piece.encode())
    return operation


def _typed(name: str) -> str:
    """A name as it can be typed on one line; an address with its bytes where it holds what cannot be."""
    if one_line(name) == name:
        return name
    return Path(name).expanduser().absolute().as_uri()


def _from(text: str, begin_bytes: int, name: str) -> str:
    content = text.encode()
    if begin_bytes and begin_bytes >= len(content):
        raise UsageError(f"--from {begin_bytes}: {name} has {counted(len(content), 'byte')} of text")
    try:
        return content[begin_bytes:].decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"--from {begin_bytes} lies within a character of {name}; take the number that feed printed"
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
            f"{what} is not valid UTF-8: byte 0x{byte:02x} at character {error.start + 1}; type it in UTF-8, or set "
            "LANG to the encoding of the terminal"
        ) from None
    return text
