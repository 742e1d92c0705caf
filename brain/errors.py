"""The exception tree of the project, and the brain's branch of it.

SynapsedError
├── BrainError
│   ├── UnknownNameError        a registry has no such name
│   ├── DuplicateNameError      two parts claim one name
│   ├── SettingsError           a brain's own setting is unknown or out of range
│   ├── NewerVersionError       a later synapsed stored it
│   └── SpecMismatchError       tensors do not fit the architecture that should hold them
├── MemoryDamagedError          replay on disk is not what was committed
└── daemon.errors.DaemonError   see there
"""

from __future__ import annotations


class SynapsedError(Exception):
    """Root of every error meant for a person; the message says what, where and what to do next."""


class BrainError(SynapsedError):
    """Something in a brain cannot continue."""


class UnknownNameError(BrainError):
    """A name is not registered; the message names the nearest one that is."""


class DuplicateNameError(BrainError):
    """Two parts were registered under one name."""


class SettingsError(BrainError):
    """A brain's own setting is unknown or cannot be; the message names it."""


class NewerVersionError(BrainError):
    """Settings or an architecture were stored by a later version of the program."""


class SpecMismatchError(BrainError):
    """Stored tensors do not fit the architecture spec they came with."""


class MemoryDamagedError(SynapsedError):
    """Replay segments on disk differ from what the checkpoint committed."""
