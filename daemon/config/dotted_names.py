"""Settings as tables in tables: made of dotted names, merged, walked through."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.names import name_tables
from daemon.errors import ConfigError

MAX_DEPTH = 16  # settings are tables in tables; anything deeper is not a setting and may overflow a stack


def unfold(settings: Mapping[str, Any], *, origin: str, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Nested form of settings whose keys may be dotted; a later key overrides an earlier one.

    Keys of a table that holds entries of any name (`stream.weights`) are names, whole with their dots. `path` is
    where `settings` stand.

    >>> unfold({"stream.rows": 16, "stream": {"segment_bytes": 32}}, origin="command line")
    {'stream': {'rows': 16, 'segment_bytes': 32}}
    >>> unfold({"stream.weights.i.csv": 2.0, 'stream.weights."a.b"': 1.0}, origin="command line")
    {'stream': {'weights': {'i.csv': 2.0, 'a.b': 1.0}}}
    """
    if len(path) > MAX_DEPTH:
        raise ConfigError(f"settings stand in tables at most {MAX_DEPTH} deep ({origin})")
    nested: dict[str, Any] = {}
    for dotted, value in settings.items():
        *parents, last = _parts(str(dotted), path)
        if len(parents) > MAX_DEPTH:
            raise ConfigError(f"no setting is called '{str(dotted)[:60]}…' ({origin})", path=str(dotted)[:60])
        table = nested
        for parent in parents:
            inner = table.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ConfigError(
                    f"{dotted} cannot be set: {parent} is a value, not a table ({origin})", path=dotted
                )
            table = inner
        below = (*path, *parents, last)
        merge(
            table, {last: unfold(value, origin=origin, path=below) if isinstance(value, Mapping) else value}
        )
    return nested


def _parts(dotted: str, path: tuple[str, ...]) -> list[str]:
    """The keys of a dotted name below `path`; of one that is deeper than any setting the last is left whole."""
    parts: list[str] = []
    rest, dot = dotted, "."
    while dot:
        if len(parts) > MAX_DEPTH:  # each further key would copy the rest of a name that may be very long
            return [*parts, rest]
        if (*path, *parts) in name_tables():
            return [*parts, _unquoted(rest) if parts else rest]
        part, dot, rest = rest.partition(".")
        parts.append(part)
    return parts


def _unquoted(name: str) -> str:
    """A name without the quotes that TOML wants around its dots."""
    if name[:1] not in {'"', "'"} or "\n" in name:
        return name
    try:
        (key, value), *_ = tomllib.loads(f"{name} = 0").items()
    except tomllib.TOMLDecodeError:
        return name
    return key if value == 0 else name


def merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Lay `source` over `target`, key by key."""
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, dict) else value


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every scalar of a nested structure with its path; items of a list are numbered."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*path, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from leaves(below, (*path, str(index)))
    else:
        yield path, value


def not_unicode(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    r"""The first setting, by its path, in whose name or value there is half a character; None without one.

    >>> not_unicode({"stream": {"rows": 1, "data": ["fine", "\ud800"]}})
    ('stream', 'data')
    """
    found: list[tuple[tuple[str, ...], Any]] = [((), settings)]
    while found:
        path, value = found.pop()
        if any(not _is_unicode(text) for text in (*path[-1:], value) if isinstance(text, str)):
            return path
        if isinstance(value, Mapping):
            found += [((*path, str(key)), below) for key, below in value.items()][::-1]
        elif isinstance(value, (list, tuple)):
            found += [(path, below) for below in value][::-1]
    return None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
