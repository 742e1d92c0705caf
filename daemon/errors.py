"""The daemon's branch of the exception tree, each with the exit code the CLI ends with.

SynapsedError
└── DaemonError
    ├── UsageError              2  bad option, key, value, path or preset
    │   └── ConfigError         2  names the path and the nearest right key
    ├── UnwritableError         1  a file that was asked for cannot be written
    ├── HomeBusyError           3  another daemon holds the home; names its address
    ├── PortTakenError          3
    ├── NotRunningError         4  no daemon answers
    ├── ConflictError           5  the action does not fit the run's state (HTTP 409)
    ├── NotFoundError           5  no such run, checkpoint or operation (HTTP 404)
    ├── CheckpointError         6
    │   ├── TornCheckpointError    a file differs from its manifest
    │   └── NoCheckpointError      nothing to resume
    ├── StreamError             2  nothing readable to learn from
    ├── StoreError              2  the database cannot be opened or read (HTTP 503)
    └── TrainerLostError        7  the trainer died or stopped answering
"""

from __future__ import annotations

from typing import ClassVar

from brain.errors import SynapsedError


class DaemonError(SynapsedError):
    """Root of the daemon's errors."""

    exit_code: ClassVar[int] = 1


class UsageError(DaemonError):
    """The user asked for something that cannot be: names what, where and the nearest right thing.

    Args:
        message: for a person.
        path: the setting or field it is about, dotted (`stream.data`); empty when it is about none.
    """

    exit_code = 2

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class ConfigError(UsageError):
    """A configuration key or value is wrong."""


class StreamError(UsageError):
    """There is nothing to read in what the stream is to read."""


class StoreError(DaemonError):
    """The database cannot be opened or read: locked, not writable, newer than this program."""

    exit_code = 2


class UnwritableError(DaemonError):
    """A file that was asked for cannot be written."""


class HomeBusyError(DaemonError):
    """Another daemon holds this home."""

    exit_code = 3


class PortTakenError(DaemonError):
    """The port is in use."""

    exit_code = 3


class NotRunningError(DaemonError):
    """No daemon answers for this home."""

    exit_code = 4


class ConflictError(DaemonError):
    """The action does not fit the state of the run."""

    exit_code = 5


class NotFoundError(DaemonError):
    """No such run, checkpoint or operation."""

    exit_code = 5


class CheckpointError(DaemonError):
    """A checkpoint cannot be written or read."""

    exit_code = 6


class TornCheckpointError(CheckpointError):
    """A checkpoint's files differ from its manifest."""


class NoCheckpointError(CheckpointError):
    """There is no checkpoint to resume."""


class TrainerLostError(DaemonError):
    """The trainer process died or stopped answering."""

    exit_code = 7
