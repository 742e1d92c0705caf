"""Settings as tables in tables: made of dotted names, merged, walked through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.errors import ConfigError

MAX_DEPTH = 16  # settings are tables in tables; what is deeper is no setting, and may be deeper than a stack


def unfold(settings: Mapping[str, Any], *, origin: str, depth: int = 0) -> dict[str, Any]:
    """Nested form of settings whose keys may be dotted; a later key overrides an earlier one.

    >>> unfold({"stream.rows": 16, "stream": {"segment_bytes": 32}}, origin="command line")
    {'stream': {'rows': 16, 'segment_bytes': 32}}
    """
    if depth > MAX_DEPTH:
        raise ConfigError(f"settings stand in tables at most {MAX_DEPTH} deep ({origin})")
    nested: dict[str, Any] = {}
    for dotted, value in settings.items():
        *parents, last = str(dotted).split(".")
        if len(parents) > MAX_DEPTH:
            raise ConfigError(f"no setting is called {str(dotted)[:60]}… ({origin})", path=str(dotted)[:60])
        table = nested
        for parent in parents:
            below = table.setdefault(parent, {})
            if not isinstance(below, dict):
                raise ConfigError(
                    f"{dotted} cannot be set: {parent} is a value, not a table ({origin})", path=dotted
                )
            table = below
        merge(
            table,
            {last: unfold(value, origin=origin, depth=depth + 1) if isinstance(value, Mapping) else value},
        )
    return nested


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
