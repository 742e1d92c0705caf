"""The home folder: where everything of one synapsed lives, who may use it, and who uses it now.

home/
├── token          who may ask (mode 0600)
├── LOCK           held by the kernel for the daemon that runs here
├── daemon.json    where that daemon answers: pid, identity, port, url
├── synapsed.db    runs, metrics, events
├── checkpoints/ replay/ logs/ cache/ backups/ models/
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shlex
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from daemon.errors import HomeBusyError, UsageError
from daemon.system.durable import replace_file
from daemon.system.file_lock import is_locked, try_lock
from daemon.system.paths import as_path, is_file, reason, shown, status_of
from daemon.system.process_identity import lives, process_identity
from daemon.token_file import UNSENDABLE, can_be_sent, make_token, read_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCK = "LOCK"
DAEMON_FILE = "daemon.json"
# Who looks whether the lock is held holds it for an instant.
LOCK_TRIES = 10
LOCK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class DaemonFile:
    """Where the daemon of a home answers.

    Attributes:
        started_at: its process's start in unix seconds, for people: it moves with the clock.
        remote_url: where other machines reach it, if that is another address.
        identity: tells the process from a later one with its pid, where the file system does not support locks.
    """

    pid: int
    started_at: float
    port: int
    url: str
    identity: str = ""
    remote_url: str = ""


@dataclass(frozen=True)
class Home:
    """One home folder and the names in it; made with `Home.open`."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)

    @classmethod
    def open(
        cls, path: Path | None = None, *, environ: Mapping[str, str] = os.environ, create: bool = True
    ) -> Home:
        """The home at `path`, else at SYNAPSED_HOME, else in the current folder.

        With `create` it is made if missing and must be writable; without, it must be there.

        Raises:
            UsageError: when it cannot be made, is not a folder, is missing or cannot be written.
        """
        origin = "--home" if path is not None else "SYNAPSED_HOME"
        root = _resolved(path) if path is not None else usual_root(environ)
        if create:
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                what = "it is a file" if is_file(root) else reason(error)
                raise UsageError(
                    f"cannot use {shown(root)} as home: {what}; choose another with --home"
                ) from error
            if not os.access(root, os.W_OK | os.X_OK):
                raise UsageError(f"the home {shown(root)} is not writable; choose another with --home")
        elif not ((status := status_of(root)) and stat.S_ISDIR(status.st_mode)):
            raise UsageError(
                f"there is no folder {shown(root)} ({origin}); "
                f"start there first: synapsed start --home {shown(root)}"
            )
        return cls(root, environ)

    @property
    def checkpoints(self) -> Path:
        """Committed checkpoints, one directory each."""
        return self.root / "checkpoints"

    @property
    def replay(self) -> Path:
        """Remembered experience, one folder a run."""
        return self.root / "replay"

    @property
    def models(self) -> Path:
        """Trained brains as single files, by kind."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        """What can be made again: decoded documents."""
        return self.root / "cache"

    @property
    def backups(self) -> Path:
        """Copies of the database."""
        return self.root / "backups"

    @property
    def training_log(self) -> Path:
        """The log a person follows."""
        return self.logs / "training.log"

    @property
    def database(self) -> str | Path:
        """Where the store is: SYNAPSED_DATABASE_URL, else a SQLite file in the home, as a path.

        A URL cannot carry every path: a `?` would begin its options.
        """
        return self.environ.get("SYNAPSED_DATABASE_URL") or self.root / "synapsed.db"

    @property
    def id(self) -> str:
        """Short name of this home on this machine; tells a client which home answers."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:12]

    @property
    def flag(self) -> str:
        """` --home X`, to put into a command line a person can paste here; empty where X is taken anyway."""
        return "" if self.root == usual_root(self.environ) else f" --home {shlex.quote(str(self.root))}"

    def prepare(self) -> None:
        """Make the folders of the home; what was read and fed lies in them, so others on the machine stay out."""
        for folder in (self.checkpoints, self.replay, self.logs, self.cache, self.backups):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def token(self) -> str:
        """The home's secret: SYNAPSED_TOKEN, else the file `token`, made on first use with mode 0600.

        Raises:
            UsageError: it cannot be sent in a request, or its file cannot be read or made.
        """
        given = self.environ.get("SYNAPSED_TOKEN", "").strip()
        if given and not can_be_sent(given):
            raise UsageError(f"SYNAPSED_TOKEN {UNSENDABLE}; set another, or none to use the home's own")
        path = self.root / "token"
        return given or read_token(path) or make_token(path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the home for this process; the kernel lets go of it when the process dies, however it dies.

        Raises:
            HomeBusyError: when another daemon holds it; names that daemon's address.
            UsageError: its folders or its lock cannot be made, or the file system does not support locks.
        """
        if (
            not (self.root / LOCK).exists()
            and (other := self.read_daemon_file())
            and other.pid != os.getpid()
        ):
            raise self._busy(other)  # somebody deleted the lock under a daemon that lives
        try:
            self.prepare()
            opened = (self.root / LOCK).open("a+b")
        except OSError as error:
            raise UsageError(f"cannot work in the home {self.root}: {reason(error)}") from error
        with opened as file:
            if not self._take(file.fileno()):
                raise self._busy(self.read_daemon_file())
            self.remove_daemon_file()  # of one that was killed
            try:
                yield
            finally:
                self.remove_daemon_file()

    def _busy(self, other: DaemonFile | None) -> HomeBusyError:
        where = f"{other.url} (pid {other.pid})" if other else "its address is not known yet"
        return HomeBusyError(
            f"a daemon holds the home {self.root} already: {where}; stop it first: synapsed stop{self.flag}"
        )

    def _take(self, descriptor: int) -> bool:
        for _ in range(LOCK_TRIES):
            try:
                if try_lock(descriptor):
                    return True
            except OSError as error:
                raise UsageError(
                    f"the file system of {self.root} does not support locks ({error.strerror}): two daemons could work "
                    "in it at once; choose another with --home"
                ) from error
            time.sleep(LOCK_AGAIN_SECONDS)
        return False

    def write_daemon_file(self, *, port: int, url: str, remote_url: str = "") -> DaemonFile:
        """Say where this process answers."""
        info = DaemonFile(
            pid=os.getpid(),
            started_at=psutil.Process().create_time(),
            port=port,
            url=url,
            remote_url=remote_url,
            identity=process_identity(os.getpid()) or "",
        )
        path_new = self.root / f".{DAEMON_FILE}.{os.getpid()}"
        path_new.write_text(json.dumps(dataclasses.asdict(info), indent=2) + "\n", encoding="utf-8")
        replace_file(path_new, self.root / DAEMON_FILE)
        return info

    def read_daemon_file(self) -> DaemonFile | None:
        """Where the home's daemon answers; None without a living one (a dead one's file is ignored).

        It lives as long as the kernel holds the home's lock for it; neither a clock nor a pid used again matters.
        Where there are no locks, or somebody deleted the file, the process itself is looked at.
        """
        try:
            content = json.loads((self.root / DAEMON_FILE).read_text(encoding="utf-8"))
            if not isinstance(content["pid"], int):
                return None
            known = {field.name for field in dataclasses.fields(DaemonFile)}
            info = DaemonFile(**{name: value for name, value in content.items() if name in known})
        except (OSError, ValueError, TypeError, LookupError):
            return None
        lock = self.root / LOCK
        held = is_locked(lock) if lock.exists() else None
        if held is None:
            held = process_identity(info.pid) == info.identity if info.identity else lives(info.pid)
        return info if held else None

    def remove_daemon_file(self) -> None:
        """Take back `write_daemon_file`."""
        (self.root / DAEMON_FILE).unlink(missing_ok=True)


def usual_root(environ: Mapping[str, str]) -> Path:
    """The home that is taken when none is named: SYNAPSED_HOME, else the current folder."""
    if given := environ.get("SYNAPSED_HOME"):
        return _resolved(given)
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current folder is gone ({reason(error)}); name one with --home") from error


def _resolved(given: str | Path) -> Path:
    """The folder meant, links followed: what stands in the database and in messages is the place itself."""
    path = as_path(given)
    try:
        root = path.resolve()
        str(root).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"cannot use {shown(path)} as home: its name is not valid UTF-8; choose another with --home"
        ) from None
    except (OSError, RuntimeError) as error:  # a loop of links
        raise UsageError(f"cannot use {shown(path)} as home: {error}; choose another with --home") from error
    return root
