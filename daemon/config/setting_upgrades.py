"""The stored configuration of a run: its plain form, its version, what each step of the program changed in it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from brain.errors import NewerVersionError, SettingsError
from brain.ranges import LEAST_MEMORY_MIB
from brain.upgrades import Step, Upgrades
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.config.tree import RunConfig

# What was a setting of a run once, and is none now.
MOVED = {"checkpoint.max_gib": "it is the home's now: checkpoints_gib in keep.toml"}


def _drop_max_gib(settings: dict[str, Any]) -> dict[str, Any]:
    checkpoint = settings.get("checkpoint")
    if isinstance(checkpoint, dict):
        checkpoint.pop("max_gib", None)
    settings.pop("checkpoint.max_gib", None)
    return settings


def _raise_memory(settings: dict[str, Any]) -> dict[str, Any]:
    """An exact memory smaller than the least one had the least size."""
    brain = settings.get("brain")
    for table, name in ((brain, "hippocampus_mib"), (settings, "brain.hippocampus_mib")):
        if isinstance(table, dict) and isinstance(size := table.get(name), int):
            table[name] = max(size, LEAST_MEMORY_MIB) if size > 0 else size
    return settings


CONFIG = Upgrades(
    form="the configuration",
    steps=[
        Step(what="checkpoint.max_gib became the home's keep.checkpoints_gib", apply=_drop_max_gib),
        Step(what="brain.hippocampus_mib became what it had been taken for", apply=_raise_memory),
    ],
)


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """JSON-able form, complete and with its version: what is stored with the run and in every checkpoint."""
    return CONFIG.stamped(plain(config))


def plain(config: RunConfig) -> dict[str, Any]:
    """Every setting as nested JSON values."""
    settings: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return settings


def brought_up(settings: Mapping[str, Any], *, origin: str) -> dict[str, Any]:
    """What was stored, of this version or any before, under the names of today.

    Raises:
        ConfigError: it was stored by a later version, or does not have the form of its version.
    """
    try:
        return CONFIG.brought_up(settings, origin=origin)
    except (NewerVersionError, SettingsError) as error:
        raise ConfigError(str(error)) from error
