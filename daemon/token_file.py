"""The file that holds a home's secret: read, kept from others, made once even when two make it at a time."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING

from daemon.errors import UsageError
from daemon.system.paths import reason, shown

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

PRIVATE = 0o600
# What a file system without hard links (FAT, some network and phone storage) answers when one is asked for.
NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EINVAL}
)
UNSENDABLE = "is not a token: a line end, a control character or a letter beyond ASCII is in it"
WAIT_SECONDS = 0.05
WAITS = 10


def can_be_sent(token: str) -> bool:
    r"""Whether a secret can stand in a header of a request.

    >>> can_be_sent("s3cret"), can_be_sent("a\nb"), can_be_sent("naïve")
    (True, False, False)
    """
    return token.isascii() and token.isprintable()


def read_token(path: Path) -> str | None:
    """The secret in the file, which only its owner may read from then on; None without one.

    Raises:
        UsageError: it cannot be read, or cannot be sent in a request.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"cannot read the token {shown(path)}: {reason(error)}; is it another user's?"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the token {shown(path)} is not text; delete it for a new one") from error
    if not can_be_sent(text):  # what stands in it is a secret: it is not shown
        raise UsageError(f"what is in the token {shown(path)} {UNSENDABLE}; delete it for a new one")
    if os.name == "posix" and mode & 0o077:
        _tighten(path, mode & 0o777)
    return text or None


def make_token(path: Path) -> str:
    """A new secret, written to the file; the one of another process that was first, if there is one.

    Raises:
        UsageError: it cannot be written.
    """
    new = path.with_name(f".token.{os.getpid()}.{secrets.token_hex(4)}")
    token = secrets.token_urlsafe(32)
    try:
        if path.exists() and _awaited(path) is None:  # left empty
            _write_new(new, token)
            new.replace(path)
        else:
            _write_new(new, token)
            _name_first(new, path)
    except OSError as error:
        raise UsageError(
            f"cannot write the token {shown(path)}: {reason(error)}; choose another --home"
        ) from error
    finally:
        new.unlink(missing_ok=True)
    return read_token(path) or token


def _name_first(new: Path, path: Path) -> None:
    """Give a written file its name if nobody has taken that; else leave it to the one who was first."""
    try:
        os.link(new, path)  # it appears whole
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            _write_new(path, new.read_text(encoding="utf-8").strip())
        except FileExistsError:
            _awaited(path)  # it may not be written yet


def _awaited(path: Path) -> str | None:
    """What the file holds, or comes to hold within half a second: its maker writes it a moment after it is there."""
    for _ in range(WAITS):
        if (token := read_token(path)) is not None:
            return token
        time.sleep(WAIT_SECONDS)
    return None


def _write_new(path: Path, token: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE)
    try:
        os.write(descriptor, f"{token}\n".encode())
    finally:
        os.close(descriptor)


def _tighten(path: Path, mode: int) -> None:
    try:
        path.chmod(PRIVATE)
        changed = not path.stat().st_mode & 0o077
    except OSError:
        changed = False
    if changed:
        logger.warning(
            "others could read %s (mode %o); its mode is 600 now. Delete it for a new token",
            shown(path),
            mode,
        )
    else:
        logger.warning(
            "others may read %s (mode %o), and its file system cannot change that: "
            "keep them out of the folder, or give SYNAPSED_TOKEN",
            shown(path),
            mode,
        )
