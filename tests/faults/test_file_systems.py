"""File systems that lack what Unix has had for forty years: hard links, locks, permissions."""

from __future__ import annotations

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from daemon.checkpoint.run_lock import RunLock
from daemon.errors import UsageError
from daemon.token_file import NO_LINKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home


def refusing(number: int) -> Callable[..., NoReturn]:
    """A call that the file system does not have."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.fault(
    "Limited file systems",
    tried="no hard links, as on FAT, some network folders and phones; sixteen makers of the token at once",
    happens="the token is made anyway, one for all, for its owner alone",
)
@pytest.mark.parametrize("number", sorted(NO_LINKS), ids=errno.errorcode.get)
def test_without_hard_links_the_token_is_made_once(
    home: Home, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(number))
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: home.token(), range(16)))
    assert len(tokens) == 1
    assert (home.root / "token").read_text().strip() in tokens
    assert (home.root / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.root.iterdir() if "token" in path.name] == ["token"]


@pytest.mark.fault(
    "Limited file systems",
    tried="the disk is full or broken while the token is made",
    happens="one line with the system's reason, and nothing is left behind",
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_token_that_cannot_be_written_is_reported(
    home: Home, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(number))
    with pytest.raises(UsageError, match=f"cannot write the token .*{os.strerror(number).lower()}"):
        home.token()
    assert not [path.name for path in home.root.iterdir() if "token" in path.name]


@pytest.mark.fault(
    "Limited file systems",
    tried="permissions that cannot be changed: refused, or ignored without a word",
    happens="it works; a warning that others may read the token, with what to do",
)
@pytest.mark.parametrize("ignored", [False, True])
def test_a_token_that_cannot_be_shut_is_warned_of(
    home: Home, ignored: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = home.token()
    (home.root / "token").chmod(0o644)
    monkeypatch.setattr(Path, "chmod", (lambda *_, **__: None) if ignored else refusing(errno.EPERM))
    assert home.token() == token
    (warning,) = caplog.messages
    assert "others may read" in warning
    assert "SYNAPSED_TOKEN" in warning


@pytest.mark.fault(
    "Limited file systems",
    tried="no locks, as on some network folders",
    happens="refused in a line: two daemons or trainers could write at once",
)
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_nothing_is_started(home: Home, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    with pytest.raises(UsageError, match="does not support locks"), home.lock():
        pass
    with pytest.raises(UsageError, match="does not support locks"), RunLock(home.root, "r-one"):
        pass


@pytest.mark.fault(
    "Limited file systems",
    tried="a token file that holds other bytes than text",
    happens="one line with the reason and what to do",
)
def test_a_token_that_is_no_text_is_reported(home: Home) -> None:
    (home.root / "token").write_bytes(b"\xff\xfe\0")
    (home.root / "token").chmod(0o600)
    with pytest.raises(UsageError, match="not text; delete it"):
        home.token()
