"""Paths that cannot be looked at, and paths that lead where nobody should read."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.app import main
from daemon.config.data_paths import require_data
from daemon.config.loading import resolve_config
from daemon.config.tree import StreamConfig
from daemon.errors import ConfigError, StreamError, UsageError
from daemon.events import DocumentSkipped
from daemon.streams.sources import check_data
from daemon.system.special_files import MOUNTS
from tests.unit.daemon.streams.opening import Opener, write_tree
from tests.unit.daemon.streams.test_following import append, read_all

if TYPE_CHECKING:
    from daemon.home import Home

BAD_NAMES = {
    "unknown user": "~nosuchuser/x",
    "300 characters": "a" * 300,
    "a loop of links": "loop",
    "no UTF-8": os.fsdecode(b"caf\xe9"),
    "a line end": "a\nb",
    "an escape code": "a\x1b[31mb",
    "under a file": "file/x",
}
COMMANDS = {
    "--data": ["start", "--steps", "1", "--data"],
    "--data of train": ["train", "--data"],
    "--home": ["status", "--home"],
    "--home of doctor": ["doctor", "--home"],
    "--preset": ["start", "--steps", "1", "--preset"],
    "feed": ["feed"],
    "export": ["export"],
    "resume": ["resume"],
    "evaluate": ["evaluate"],
}


@pytest.fixture
def opener(home: Home) -> Opener:
    return Opener(home.cache)


@pytest.mark.fault(
    "Paths that cannot be looked at",
    tried="~nosuchuser, 300 characters, link loops, bytes that are not UTF-8, line ends and escape codes; all commands",
    happens="one line with what and why, exit code 1 to 6; nothing is started, no code reaches the terminal",
)
@pytest.mark.parametrize("given", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_path_is_one_line(
    home: Home, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home.root)
    monkeypatch.setenv("SYNAPSED_HOME", str(home.root))
    Path("file").touch()
    Path("loop").symlink_to("loop2")
    Path("loop2").symlink_to("loop")
    for name, arguments in COMMANDS.items():
        code = main([*arguments, given])
        printed = capsys.readouterr()
        assert 1 <= code <= 6, name
        if name == "--home of doctor":
            continue
        (line,) = printed.err.splitlines()
        assert line.startswith("synapsed: "), name
        assert "\x1b" not in printed.out + printed.err


@pytest.mark.fault(
    "Paths that cannot be looked at",
    tried="a folder above without permission, a broken disk",
    happens="the system's reason is shown in one line",
)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_the_systems_reason_is_reported(
    home: Home, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stat = Path.stat

    def refused(path: Path, **options: Any) -> os.stat_result:
        if "secret" in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setenv("SYNAPSED_HOME", str(home.root))
    for arguments in (["start", "--data"], ["status", "--home"], ["feed"], ["export", "-o"], ["resume"]):
        assert main([*arguments, str(home.root / "secret" / "x")]) == 2
        assert os.strerror(number).lower() in capsys.readouterr().err


@pytest.mark.fault(
    "Paths that cannot be looked at",
    tried="the same over HTTP, with NULs and halves of surrogate pairs",
    happens="a 422 with what and why, as for any other setting",
)
@pytest.mark.parametrize(
    "given", [*BAD_NAMES.values(), "\0", "a\0b", "\ud800", "", "file:///no%00", "file:///%ff"]
)
def test_a_request_with_a_bad_path_is_refused(given: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve_config(overrides={"stream": {"data": [given]}}, environ={}, origin="request")
    str(refused.value).encode()
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.fault(
    "Data that is not a file",
    tried="/dev/zero, /proc/self/mem, /proc or a named pipe as data, at the command line, over HTTP and at a resume",
    happens="refused at once, as not a regular file or folder, or as one of a special file system",
)
@pytest.mark.skipif(not MOUNTS.exists(), reason="only Linux shows itself so")
@pytest.mark.parametrize("given", ["/dev/zero", "/proc/self/mem", "/proc", "pipe"])
def test_what_is_no_file_is_no_data(
    home: Home, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home.root)
    os.mkfifo("pipe")
    reason = r"not a regular file or folder|special file system"
    for at_end in ("again", "wait"):
        with pytest.raises(ConfigError, match=reason):
            resolve_config(overrides={"stream.data": [given], "stream.at_end": at_end}, environ={})
    with pytest.raises(UsageError, match=reason):
        require_data(StreamConfig(data=(given,)), home=home.root)
    with pytest.raises(StreamError, match=reason):
        check_data([given])
    assert main(["start", "--home", str(home.root), "--steps", "1", "--data", given]) == 2
    assert re.search(reason, capsys.readouterr().err)


@pytest.mark.fault(
    "Data that is not a file",
    tried="a folder from which links lead to /proc and to a file in it, as `/` does",
    happens="not entered, and recognised by name; the rest is read",
)
@pytest.mark.skipif(not MOUNTS.exists(), reason="only Linux shows itself so")
def test_special_file_systems_are_passed_over(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a.txt": "text"})
    (folder / "kernel").symlink_to("/proc", target_is_directory=True)
    (folder / "cpu").symlink_to("/proc/cpuinfo")
    stream = opener(folder, at_end="wait")
    assert read_all(stream) == {"a.txt": b"text"}
    assert stream.sources[0].skipped == {"unreadable": 1}
    assert opener.messages(DocumentSkipped) == [
        "kernel of source d: it is a special file system, in which the system shows itself; passed over"
    ]


@pytest.mark.fault(
    "Names that are not UTF-8",
    tried="files, folders and sources whose names hold other bytes, line ends or escape codes",
    happens="they are read, and shown with the odd characters escaped",
)
def test_odd_names_are_read(tmp_path: Path, opener: Opener) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write_tree(folder, {os.fsdecode(b"na\xefve"): "one", "two\nlines": "two", "\x1b[31mred": "three"})
    (stored,) = resolve_config(overrides={"stream.data": [str(folder)]}, environ={}).stream.data
    assert stored == f"file://{tmp_path}/caf%E9"
    stream = opener(stored, at_end="wait")
    assert read_all(stream) == {"na\\xefve": b"one", "two\\nlines": b"two", "\\x1b[31mred": b"three"}
    assert stream.sources[0].name == "caf\\xe9"
    twin = opener(stored, at_end="wait", cursor=stream.cursor())
    append(folder / os.fsdecode(b"na\xefve"), b" and more")
    opener.seconds += 1.0
    assert read_all(twin) == {"na\\xefve": b" and more"}


@pytest.mark.fault(
    "Data that leads into the home",
    tried="links, hard links and linked folders that lead to the token, the logs or the database; later ones, too",
    happens="recognised by device and inode, never learned from; an event names them",
)
@pytest.mark.parametrize("at_end", ["again", "wait"])
def test_nothing_of_the_home_is_learned(tmp_path: Path, home: Home, opener: Opener, at_end: str) -> None:
    secret = home.token()
    write_tree(home.root, {"logs/training.log": secret, "synapsed.db": secret, "essay.txt": "an essay\n"})
    folder = write_tree(tmp_path / "d", {"a": "a text\n"})
    (folder / "b").symlink_to(home.root / "token")
    (folder / "c").hardlink_to(home.root / "token")
    (folder / "d").symlink_to(home.logs)
    (folder / "e").hardlink_to(home.logs / "training.log")
    (folder / "f").symlink_to(home.root)  # the home itself, in which an essay lies
    stream = opener(folder, at_end=at_end, lanes=1)
    read = b"".join(stream.next([0])[0].bytes.tobytes() for _ in range(6))
    (folder / "a2").symlink_to(home.root / "synapsed.db")
    append(folder / "a", b"a new line\n")
    opener.seconds += 1.0
    read += b"".join(stream.next([0])[0].bytes.tobytes() for _ in range(6))
    assert secret.encode() not in read
    assert b"an essay" in read
    assert b"a new line" in read
    reported = [event.document for event in opener.events if isinstance(event, DocumentSkipped)]
    assert reported == ["b, c, d and 1 more", "a2"]


@pytest.mark.fault(
    "Data that leads into the home",
    tried="--data, feed and a followed link that lead to the token itself, under any name",
    happens="refused in one line before anything starts; a link made later is skipped with an event",
)
def test_the_token_itself_is_refused(
    tmp_path: Path,
    home: Home,
    opener: Opener,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNAPSED_HOME", str(home.root))
    secret = home.token()
    write_tree(home.logs, {"training.log": "a line\n"})
    link, hard = tmp_path / "link", tmp_path / "hard"
    link.symlink_to(home.root / "token")
    hard.hardlink_to(home.root / "token")
    for path in (link, hard, home.root / "token", home.root / "logs" / ".." / "token", home.logs):
        for arguments in (["start", "--steps", "1", "--data"], ["feed"]):
            assert main([*arguments, str(path)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert "never learned from" in line
        with pytest.raises(StreamError, match="never learned from"):
            opener(path)
    link.unlink()
    link.symlink_to(write_tree(tmp_path, {"log": "a line\n"}) / "log")
    stream = opener(link, at_end="wait")
    read_all(stream)
    link.unlink()
    link.symlink_to(home.root / "token")
    opener.seconds += 1.0
    assert secret.encode() not in b"".join(read_all(stream).values())
    assert "never learned from" in "".join(opener.messages(DocumentSkipped))
