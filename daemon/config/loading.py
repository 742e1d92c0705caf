"""From presets, environment and command line to one checked RunConfig.

    defaults < preset file < SYNAPSED_* environment < command line

A later layer overrides an earlier one key by key; what a person wrote is checked here, once, and never again.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import os
import tomllib
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from brain.errors import UnknownNameError
from brain.registry import brains
from daemon.config.data_paths import locate
from daemon.config.environment import foreign, is_setting, settings_in
from daemon.config.presets import preset_names, read_preset
from daemon.config.ranges import range_of
from daemon.config.tables import leaves, merge, not_unicode, unfold
from daemon.config.tree import RunConfig
from daemon.config.upgrades import MOVED, brought_up, plain
from daemon.errors import ConfigError, UsageError
from daemon.system.escaping import one_line
from daemon.system.paths import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
    "missing": "a value",
}


@dataclass(frozen=True)
class Layer:
    """Settings from one place, and how that place is named to a person."""

    origin: str
    settings: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PresetInfo:
    """A ready-made run."""

    name: str
    summary: str
    config: RunConfig


def resolve_config(
    *,
    preset: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    origin: str = "command line",
) -> RunConfig:
    """Merge all layers and check the result.

    Args:
        preset: name of a shipped preset or path of a TOML file; None takes SYNAPSED_PRESET, else `default`.
        overrides: from the command line or the API, nested or with dotted keys.
        environ: where `SYNAPSED_STREAM__ROWS=16` style settings are read.
        origin: where the overrides come from, as a person would call it.

    Raises:
        ConfigError: one line that names the setting, where it was set, and the nearest right thing.
    """
    if preset is None:
        preset = environ.get("SYNAPSED_PRESET") or "default"
    below, above = _preset_layer(preset), _asked_layer(overrides or {}, origin)
    layers = [below, *_environment_layers(environ, _all_names()), above]
    kinds = [kind for layer in layers if (kind := _brain_kind(layer.settings)) is not None]
    if kinds and kinds[-1] in {entry.name for entry in brains}:
        layers = [below, *_environment_layers(environ, setting_names(kinds[-1])), above]
    return _with_located_data(_check(layers, str(preset)), layers)


def unknown_variables(environ: Mapping[str, str] = os.environ, *, kind: str | None = None) -> list[str]:
    """A line for each SYNAPSED_* variable that is no setting and so has no effect, with the nearest that has.

    `kind` is that of the brain; without it the settings of every kind count.
    """
    names = _all_names() if kind is None else setting_names(kind)
    return foreign(environ, names, _tables(RunConfig))


def config_from_dict(settings: Mapping[str, Any], *, origin: str = "stored configuration") -> RunConfig:
    """Take back `config_to_dict`, of this version or any before; a setting that is missing has its default.

    Raises:
        ConfigError: as `resolve_config`; or it was stored by a later version.
    """
    nested = unfold(brought_up(settings, origin=origin), origin=origin)
    return _check([Layer(origin, nested)], str(nested.get("preset", "default")))


def override_config(
    config: RunConfig, overrides: Mapping[str, Any], *, origin: str = "command line"
) -> RunConfig:
    """`config` with `overrides` (nested or dotted) on top: what a resumed run goes on with.

    Raises:
        ConfigError: as `resolve_config`.
    """
    layers = [
        Layer("stored configuration", plain(config)),
        _asked_layer(overrides, origin),
    ]
    checked = _check(layers, config.preset)
    # What was stored is located; it may be gone by now, and whoever goes on with it says so.
    return checked if checked.stream.data == config.stream.data else _with_located_data(checked, layers)


def list_presets() -> list[PresetInfo]:
    """The presets that ship with synapsed, by name; the environment plays no part in them."""
    return [
        PresetInfo(name=name, summary=read_preset(name)[0], config=_check([_preset_layer(name)], name))
        for name in preset_names()
    ]


def list_brains() -> list[dict[str, Any]]:
    """Every kind of brain as the API lists it: kind, summary, JSON schema of its settings."""
    return [
        {"kind": entry.name, "summary": entry.summary, "settings": _adapter(entry.config).json_schema()}
        for entry in brains
    ]


def parse_set(assignment: str) -> tuple[str, Any]:
    """A dotted key and its value from `key=value`: TOML value syntax, and a bare word is text.

    >>> parse_set("stream.rows=16"), parse_set("device=cpu"), parse_set('stream.data=["a", "b"]')
    (('stream.rows', 16), ('device', 'cpu'), ('stream.data', ['a', 'b']))
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set wants key=value, not {assignment!r}; for instance --set stream.rows=16")
    return key.strip(), parse_value(text.strip())


def parse_value(text: str) -> Any:
    """A TOML value; what is none is text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def setting_names(kind: str = "synapse") -> list[str]:
    """Every dotted setting of a run with a brain of `kind`."""
    return [
        *(name for name in _names(RunConfig) if name != "brain"),
        "brain.kind",
        *_names(brains.get(kind).config, "brain."),
    ]


def _check(layers: list[Layer], preset: str) -> RunConfig:
    """Merge, validate types and names, check ranges."""
    settings: dict[str, Any] = {}
    for layer in layers:
        kind = _brain_kind(layer.settings)
        if kind is not None and kind != _brain_kind(settings):
            settings.pop("brain", None)  # another kind's settings mean nothing to this one
        merge(settings, layer.settings)
    settings["preset"] = preset
    stream = settings.get("stream")
    if isinstance(stream, dict) and isinstance(stream.get("data"), str):
        stream["data"] = [stream["data"]]
    if isinstance(stream, dict) and isinstance(stream.get("data"), list):
        stream["data"] = [storable(path) if isinstance(path, str) else path for path in stream["data"]]

    table = settings.pop("brain", {})
    if not isinstance(table, dict):
        raise ConfigError(
            f"brain = {_show(table)}: a table with kind is expected, such as brain.kind=synapse"
            f"{_origin(layers, ('brain',))}",
            path="brain",
        )
    kind = table.get("kind", "synapse")
    try:
        entry = brains.get(str(kind))
    except UnknownNameError as error:
        raise ConfigError(f"{error}{_origin(layers, ('brain', 'kind'))}", path="brain.kind") from error
    brain = _validate(
        entry.config,
        {key: value for key, value in table.items() if key != "kind"},
        layers,
        str(kind),
        ("brain",),
    )
    config = _validate(RunConfig, settings, layers, str(kind))
    brain_settings = json.loads(json.dumps(dataclasses.asdict(brain)))
    config = dataclasses.replace(config, brain={"kind": str(kind), **brain_settings})
    _check_ranges(config, layers)
    return typing.cast("RunConfig", config)


def _with_located_data(config: RunConfig, layers: list[Layer]) -> RunConfig:
    """Data paths made absolute and checked at once."""
    try:
        data = locate(config.stream.data, may_fill=config.stream.at_end == "wait")
    except UsageError as error:
        raise ConfigError(f"{error}{_origin(layers, ('stream', 'data'))}", path="stream.data") from None
    return dataclasses.replace(config, stream=dataclasses.replace(config.stream, data=data))


def _validate(
    config: type, settings: dict[str, Any], layers: list[Layer], kind: str, parents: tuple[str, ...] = ()
) -> Any:
    try:
        # Strict JSON: a list may become a tuple, but never text a number.
        return _adapter(config).validate_json(json.dumps(settings, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = (*parents, *(str(part) for part in first["loc"]))
        name, where = ".".join(path), _origin(layers, path)
        if first["type"] == "json_invalid":
            if (odd := not_unicode(settings)) is not None:
                path = (*parents, *odd)
                name = one_line(".".join(path))
                raise ConfigError(
                    f"{name} is text that is no Unicode{_origin(layers, path)}", path=name
                ) from None
            asked = f" ({layers[-1].origin})" if layers else ""
            raise ConfigError(f"a setting is nested too deep{asked}") from None
        if first["type"] == "unexpected_keyword_argument":
            raise ConfigError(
                f"no setting is called {name}{_nearest(name, setting_names(kind))}{where}", path=name
            ) from None
        if first["type"] == "value_error":
            said, (parent, _, own) = str(first["ctx"]["error"]), name.rpartition(".")
            # Some classes name their setting by themselves, as far as they know where they stand.
            told = f"{parent}.{said}".lstrip(".") if said.startswith(f"{own}.") else f"{name}: {said}"
            raise ConfigError(f"{told}{where}", path=name) from None
        if first["type"] == "literal_error":
            choices = [word.strip("' ") for word in first["ctx"]["expected"].replace(" or ", ",").split(",")]
            near = difflib.get_close_matches(str(first["input"]), choices, n=1)
            expected = f"one of {', '.join(choices)} is expected" + (
                f"; did you mean {near[0]}?" if near else ""
            )
        else:
            expected = f"{EXPECTED.get(first['type'], first['msg'])} is expected"
        raise ConfigError(f"{name} = {_show(first['input'])}: {expected}{where}", path=name) from None


@functools.cache
def _adapter(config: type) -> TypeAdapter[Any]:
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


def _check_ranges(config: RunConfig, layers: list[Layer]) -> None:
    for path, value in leaves(plain(config)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        name = ".".join(path)
        allowed = range_of(name)
        if not math.isfinite(value):
            bounds = "" if allowed is None else f" {allowed.said_to(0.0)}"
            expected = f"a finite number{bounds}"
        elif allowed is not None and value not in allowed:
            expected = f"a number {allowed.said_to(value)}"
        else:
            continue
        raise ConfigError(
            f"{name} = {_show(value)}: {expected} is expected{_origin(layers, path)}", path=name
        )


def _preset_layer(preset: str | Path) -> Layer:
    origin = f"preset {preset}"
    _, settings = read_preset(preset)
    return Layer(origin, unfold(settings, origin=origin))


def _asked_layer(overrides: Mapping[str, Any], origin: str) -> Layer:
    """What is asked for on top; a preset is no setting, but what settings lie on."""
    settings = unfold(overrides, origin=origin)
    if "preset" in settings:
        raise ConfigError(
            f"preset = {_show(settings['preset'])}: no setting, but what settings lie on; start with "
            f"--preset {settings['preset']} ({origin})",
            path="preset",
        )
    return Layer(origin, settings)


def _environment_layers(environ: Mapping[str, str], names: list[str]) -> list[Layer]:
    """One layer a variable that is a setting, so that an error can name it."""
    tables = _tables(RunConfig)
    layers = []
    for variable, dotted in settings_in(environ).items():
        if is_setting(dotted, names, tables):
            origin = f"environment {variable}"
            layers.append(Layer(origin, unfold({dotted: parse_value(environ[variable])}, origin=origin)))
    return layers


def _all_names() -> list[str]:
    """Every dotted setting of every kind of brain."""
    return list(dict.fromkeys(name for entry in brains for name in setting_names(entry.name)))


def _brain_kind(settings: Mapping[str, Any]) -> Any:
    table = settings.get("brain")
    return table.get("kind") if isinstance(table, dict) else None


def _names(config: type, prefix: str = "") -> Iterator[str]:
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from _names(hint, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _tables(config: type, prefix: str = "") -> list[str]:
    """Settings that hold entries of any name."""
    tables: list[str] = []
    for name, hint in typing.get_type_hints(config).items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            tables += _tables(hint, f"{prefix}{name}.")
        elif typing.get_origin(hint) is dict and prefix + name != "brain":
            tables.append(prefix + name)
    return tables


def _nearest(name: str, names: list[str]) -> str:
    if name in MOVED:
        return f"; {MOVED[name]}"
    near = difflib.get_close_matches(name, names, n=1)
    if not near and "." not in name:
        near = [known for known in names if known.rpartition(".")[2] == name][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _origin(layers: list[Layer], path: tuple[str, ...]) -> str:
    """Where a setting was last set, in brackets; empty for a default."""
    for layer in reversed(layers):
        value: Any = layer.settings
        for part in path:
            if isinstance(value, list):
                return f" ({layer.origin})"  # an item of a list set as a whole
            if not isinstance(value, dict) or part not in value:
                break
            value = value[part]
        else:
            return f" ({layer.origin})"
    return ""


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
