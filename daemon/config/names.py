"""Names of settings: every dotted one, those that hold entries of any name, the nearest to a wrong one."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import TYPE_CHECKING

from brain.nearest_name import did_you_mean, nearest_name
from brain.registry import brains
from daemon.config.setting_upgrades import MOVED
from daemon.config.tree import RunConfig

if TYPE_CHECKING:
    from collections.abc import Iterator


def setting_names(kind: str | None = None) -> list[str]:
    """Every dotted setting of a run with a brain of `kind`; of None, those that every run has."""
    return [
        *(name for name in names_of(RunConfig) if name != "brain"),
        "brain.kind",
        *(() if kind is None else names_of(brains.get(kind).config, "brain.")),
    ]


def all_names() -> list[str]:
    """Every dotted setting of every kind of brain."""
    return list(dict.fromkeys(name for entry in brains for name in setting_names(entry.name)))


def names_of(config: type, prefix: str = "") -> Iterator[str]:
    """Every dotted setting of a config class and of those nested in it."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from names_of(hint, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def open_tables(config: type, prefix: str = "") -> list[str]:
    """Settings that hold entries of any name."""
    found: list[str] = []
    for name, hint in typing.get_type_hints(config).items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            found += open_tables(hint, f"{prefix}{name}.")
        elif typing.get_origin(hint) is dict and prefix + name != "brain":
            found.append(prefix + name)
    return found


@functools.cache
def name_tables() -> frozenset[tuple[str, ...]]:
    """Where the tables stand whose keys are names that a person gave, of a run with any kind of brain."""
    found = [
        *open_tables(RunConfig),
        *(name for entry in brains for name in open_tables(entry.config, "brain.")),
    ]
    return frozenset(tuple(name.split(".")) for name in found)


def brains_with(setting: str) -> list[str]:
    """Kinds of brains that have a setting, by its dotted name."""
    return [entry.name for entry in brains if setting in names_of(entry.config, "brain.")]


def nearest(name: str, names: list[str]) -> str:
    """A hint for a name that is not a setting: what became of it, or the nearest that is one."""
    if name in MOVED:
        return f"; {MOVED[name]}"
    if nearest_name(name, names) is None and "." not in name:
        names = [known for known in names if known.rpartition(".")[2] == name][:1]
        return f"; did you mean {names[0]}?" if names else ""
    return did_you_mean(name, names)
