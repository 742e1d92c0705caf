"""Checking: merged settings become one RunConfig, or one line: what is wrong, where it was set, what is near."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import typing
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from brain.errors import UnknownNameError
from brain.nearest_name import did_you_mean
from brain.registry import Registry, brains
from daemon.config.dotted_names import leaves, merge, not_unicode
from daemon.config.layers import Layer, brain_kind, origin_of, show
from daemon.config.names import brains_with, names_of, nearest, setting_names
from daemon.config.setting_ranges import range_of
from daemon.config.setting_upgrades import plain
from daemon.config.tree import DEFAULT_BRAIN, RunConfig
from daemon.errors import ConfigError
from daemon.streams.kinds import sources
from daemon.system.escaping import one_line
from daemon.system.paths import storable

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
}


def check(layers: list[Layer], preset: str) -> RunConfig:
    """Merge, validate types and names, check ranges.

    Raises:
        ConfigError: one line that names the setting, where it was set, and the nearest right thing.
    """
    settings: dict[str, Any] = {}
    for layer in layers:
        kind = brain_kind(layer.settings)
        if kind is not None and kind != brain_kind(settings):
            settings.pop("brain", None)  # another kind's settings mean nothing to this one
        merge(settings, layer.settings)
    settings["preset"] = preset
    if isinstance(stream := settings.get("stream"), dict):
        _check_stream(stream, layers)
    kind, brain = _checked_brain(settings.pop("brain", {}), layers)
    config: RunConfig = _validate(RunConfig, settings, layers, setting_names(kind))
    config = dataclasses.replace(config, brain=brain)
    _check_ranges(config, kind, layers)
    return config


def _checked_brain(table: Any, layers: list[Layer]) -> tuple[str, dict[str, Any]]:
    """The kind of brain, and its settings with those that nobody set."""
    if not isinstance(table, dict):
        raise ConfigError(
            f"brain = {show(table)}: a table with kind is expected, such as brain.kind={DEFAULT_BRAIN}"
            f"{origin_of(layers, ('brain',))}",
            path="brain",
        )
    kind = str(table.get("kind", DEFAULT_BRAIN))
    return kind, _checked_kind(brains, kind, table, layers, ("brain",))


def _check_stream(stream: dict[str, Any], layers: list[Layer]) -> None:
    """Bring what is read into its full form: a list of paths, and tables with all their settings."""
    if isinstance(stream.get("data"), str):
        stream["data"] = [stream["data"]]
    if isinstance(stream.get("data"), list):
        stream["data"] = [storable(path) if isinstance(path, str) else path for path in stream["data"]]
    if isinstance(stream.get("source"), dict):  # one [stream.source] instead of a list of them
        stream["source"] = [stream["source"]]
    if not isinstance(stream.get("source"), list):
        return
    names: set[str] = set()
    for place, table in enumerate(stream["source"]):
        if not isinstance(table, dict):
            continue  # named as no table when the whole is validated
        path = ("stream", "source", str(place))
        found = _checked_kind(sources, str(table.get("kind", "files")), table, layers, path)
        found["path"] = storable(found["path"])
        if found["name"] in names - {""}:
            name = ".".join((*path, "name"))
            raise ConfigError(
                f"{name} = {show(found['name'])}: two sources are called so; rename one{origin_of(layers, path)}",
                path=name,
            )
        names.add(found["name"])
        stream["source"][place] = found


def _checked_kind(
    registry: Registry[Any], kind: str, table: dict[str, Any], layers: list[Layer], path: tuple[str, ...]
) -> dict[str, Any]:
    """A table, checked by the config class that its `kind` names in the registry, with every default filled in."""
    try:
        entry = registry.get(kind)
    except UnknownNameError as error:
        raise ConfigError(
            f"{error}{origin_of(layers, (*path, 'kind'))}", path=".".join((*path, "kind"))
        ) from error
    own = {key: value for key, value in table.items() if key != "kind"}
    names = [*names_of(entry.config, ".".join((*path, ""))), *setting_names()]
    unknown = f"the {registry.kind} {kind} has no setting {{}}"
    for key in own.keys() - {field.name for field in dataclasses.fields(entry.config)}:
        having = [other.name for other in registry if key in names_of(other.config)]
        if registry is sources and having:
            place = ".".join((*path, key))
            raise ConfigError(
                f"{unknown.format(key)}; a source with kind = {json.dumps(having[0])} has{origin_of(layers, path)}",
                path=place,
            )
    checked = _validate(entry.config, own, layers, names, path, unknown=unknown)
    settings: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(checked)))
    return {"kind": kind, **settings}


def _validate(
    config: type,
    settings: dict[str, Any],
    layers: list[Layer],
    names: list[str],
    parents: tuple[str, ...] = (),
    *,
    unknown: str = "",
) -> Any:
    """Settings as their config class.

    Args:
        config: the class.
        settings: as they were given.
        layers: where they were set.
        names: those that may have been meant.
        parents: where the settings stand.
        unknown: what to say of a name that is none of the class's, with a place for it.
    """
    try:
        # Strict JSON: a list may become a tuple, but never text a number.
        return adapter(config).validate_json(json.dumps(settings, default=str), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A name that is none is why another is missing.
        first = next((one for one in errors if one["type"] == "unexpected_keyword_argument"), errors[0])
        path = (*parents, *(str(part) for part in first["loc"]))
        if first["type"] == "json_invalid":
            if (odd := not_unicode(settings)) is None:
                asked = f" ({layers[-1].origin})" if layers else ""
                raise ConfigError(f"a setting is nested too deep{asked}") from None
            path = (*parents, *odd)
            name = one_line(".".join(path))
            raise ConfigError(
                f"{name} is not valid Unicode text{origin_of(layers, path)}", path=name
            ) from None
        name = ".".join(path)
        raise ConfigError(
            f"{_complaint(name, first, names, unknown)}{origin_of(layers, path)}", path=name
        ) from None


def _complaint(name: str, error: Any, names: list[str], unknown: str) -> str:
    """What is wrong with a setting, and what is expected."""
    if error["type"] == "unexpected_keyword_argument":
        message = unknown.format(".".join(map(str, error["loc"]))) or f"no setting is called {name!r}"
        if others := brains_with(name):
            return f"{message}; {name} is a setting of {' and '.join(others)}"
        return message + nearest(name, names)
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "value_error":
        text, (parent, _, own) = str(error["ctx"]["error"]), name.rpartition(".")
        # Some classes name their setting by themselves, as far as they know where they stand.
        return f"{parent}.{text}".lstrip(".") if text.startswith(f"{own}.") else f"{name}: {text}"
    expected = f"{EXPECTED.get(error['type'], error['msg'])} is expected"
    if error["type"] == "literal_error":
        choices = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        expected = f"one of {', '.join(choices)} is expected{did_you_mean(str(error['input']), choices)}"
    return f"{name} = {show(error['input'])}: {expected}"


@functools.cache
def adapter(config: type) -> TypeAdapter[Any]:
    """Validator of a config class that refuses unknown names at every level."""
    pending = [config]
    while pending:
        current = pending.pop()
        # The rooms' own classes stay plain dataclasses; strictness is the edge's business.
        current.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
        hints = typing.get_type_hints(current)
        pending += [
            hint for hint in hints.values() if isinstance(hint, type) and dataclasses.is_dataclass(hint)
        ]
    return TypeAdapter(config)


def _check_ranges(config: RunConfig, brain: str, layers: list[Layer]) -> None:
    for path, value in leaves(plain(config)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        name = ".".join(path)
        allowed = range_of(name, brain=brain)
        if not math.isfinite(value):
            bounds = "" if allowed is None else f" {allowed.bounds_for(0.0)}"
            expected = f"a finite number{bounds}"
        elif allowed is not None and value not in allowed:
            expected = f"a number {allowed.bounds_for(value)}"
        else:
            continue
        raise ConfigError(
            f"{name} = {show(value)}: {expected} is expected{origin_of(layers, path)}", path=name
        )
