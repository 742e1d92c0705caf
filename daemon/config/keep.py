"""How much a home keeps of what grows: `keep.toml` in the home, under SYNAPSED_KEEP__* of the environment.

These bounds are the home's, over all its runs; what belongs to one run is in daemon.config.tree.
"""

from __future__ import annotations

import logging
import os
import tomllib
import typing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from brain.nearest_name import did_you_mean
from brain.ranges import AMOUNT, COUNT, COUNT_OR_ZERO, Range
from daemon.config.setting_ranges import range_in
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "keep.toml"
PREFIX = "SYNAPSED_KEEP__"
GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class KeepConfig:
    """What a home keeps at most, over all its runs.

    Set in `keep.toml` in the home (`cache_gib = 2`), or in the environment (`SYNAPSED_KEEP__CACHE_GIB=2`), which wins.
    A changed file takes effect at the next clean-up, without a restart.

    Attributes:
        checkpoints_gib: size of the checkpoints of all runs. Never deleted: a pinned one, the only sound one of a run,
            one that a run is about to resume, one whose memories a fork still replays.
        cache_gib: size of decoded documents; those in use stay.
        cache_days: days after which a decoded document that nobody read is deleted.
        replay_days: days after which the replay memory of a run without checkpoints is deleted.
        log_mib: size of each log in `logs/`; older lines move to a part beside it.
        log_files: how many older parts of each log are kept.
        metric_rows: rows of single steps and values in the database; above that, the oldest are kept as rollups only.
        rollup_rows: rows of rollups of 100 steps; above that, the oldest are kept as rollups of 10,000 steps.
        history_rows: rows of each of events, operations, alarms, readings, held-out losses, forgetting, deleted
            checkpoints; above that, the oldest are deleted.
        backups: copies of the database; the newest is always kept.
        backups_gib: size of these copies together.
    """

    checkpoints_gib: Annotated[float, AMOUNT] = 50.0
    cache_gib: Annotated[float, AMOUNT] = 4.0
    cache_days: Annotated[float, AMOUNT] = 30.0
    replay_days: Annotated[float, AMOUNT] = 7.0
    log_mib: Annotated[float, AMOUNT] = 8.0
    log_files: Annotated[int, COUNT_OR_ZERO] = 2
    metric_rows: Annotated[int, Range(at_least=1000, at_most=9007199254740991)] = 5_000_000
    rollup_rows: Annotated[int, Range(at_least=1000, at_most=9007199254740991)] = 5_000_000
    history_rows: Annotated[int, Range(at_least=1000, at_most=9007199254740991)] = 200_000
    backups: Annotated[int, COUNT] = 7
    backups_gib: Annotated[float, AMOUNT] = 10.0

    @property
    def log_bytes(self) -> int:
        """Of each log, and of each of its older parts."""
        return int(self.log_mib * MIB)


def read_keep(home: Path, *, environ: Mapping[str, str] = os.environ) -> KeepConfig:
    """The bounds of a home as they stand now.

    Raises:
        ConfigError: one line that names the setting, where it was set, and the nearest right thing.
    """
    settings = {name: (value, f"{home / FILE}") for name, value in _from_file(home / FILE).items()}
    hints = typing.get_type_hints(KeepConfig)
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX).lower()
        if (
            variable.startswith(PREFIX) and name in hints
        ):  # others' variables have no effect, and are reported
            settings[name] = (_number(environ[variable]), f"environment {variable}")
    for name, (value, origin) in settings.items():
        _check(name, value, origin, hints)
    return KeepConfig(**{name: hints[name](value) for name, (value, _) in settings.items()})


def keep_as_far_as_sound(home: Path, *, environ: Mapping[str, str] = os.environ) -> KeepConfig:
    """As `read_keep`; where something in it is wrong, the defaults and a warning, for what must continue anyway."""
    try:
        return read_keep(home, environ=environ)
    except ConfigError as error:
        logger.warning("the defaults hold: %s", error)
        return KeepConfig()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error


def _number(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check(name: str, value: Any, origin: str, hints: Mapping[str, type]) -> None:
    dotted = f"keep.{name}"
    if name not in hints:
        known = [field.name for field in fields(KeepConfig)]
        hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}", shown="keep.{}".format)
        raise ConfigError(f"no setting is called {dotted!r}{hint} ({origin})", path=dotted)
    kinds = (int,) if hints[name] is int else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        expected = "a whole number" if hints[name] is int else "a number"
        raise ConfigError(f"{dotted} = {value!r}: {expected} is expected ({origin})", path=dotted)
    allowed = range_in(KeepConfig, [name])
    if allowed is not None and value not in allowed:
        raise ConfigError(
            f"{dotted} = {value!r}: a number {allowed.bounds_for(value)} is expected ({origin})", path=dotted
        )
