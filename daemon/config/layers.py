"""Layers of settings: a preset, variables of the environment, what is asked for; and where a setting came from."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.config.dotted_names import unfold
from daemon.config.environment import is_setting, settings_in
from daemon.config.names import open_tables
from daemon.config.presets import read_preset
from daemon.config.tree import RunConfig
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEY = re.compile(r"""((?:"[^"]*"|'[^']*'|[^="'])*)=""")  # an equals sign in quotes is part of a name


@dataclass(frozen=True)
class Layer:
    """Settings from one place, and how that place is named to a person."""

    origin: str
    settings: dict[str, Any]


def preset_layer(preset: str | Path) -> Layer:
    """What a preset sets; raises ConfigError as `read_preset`."""
    origin = f"preset {preset}"
    _, settings = read_preset(preset)
    return Layer(origin, unfold(settings, origin=origin))


def asked_layer(overrides: Mapping[str, Any], origin: str) -> Layer:
    """What is asked for on top; a preset is refused, because it is not a setting."""
    settings = unfold(overrides, origin=origin)
    if "preset" in settings:
        raise ConfigError(
            f"preset = {show(settings['preset'])}: a preset is not a setting; start with "
            f"--preset {settings['preset']} ({origin})",
            path="preset",
        )
    return Layer(origin, settings)


def environment_layers(environ: Mapping[str, str], names: list[str]) -> list[Layer]:
    """One layer a variable that is a setting, so that an error can name it."""
    tables = open_tables(RunConfig)
    layers = []
    for variable, dotted in settings_in(environ, tables).items():
        if is_setting(dotted, names, tables):
            origin = f"environment {variable}"
            try:
                value = parse_value(environ[variable])
            except tomllib.TOMLDecodeError as error:
                raise ConfigError(
                    f"{dotted}: the value is not valid TOML: {error} ({origin})", path=dotted
                ) from error
            layers.append(Layer(origin, unfold({dotted: value}, origin=origin)))
    return layers


def parse_set(assignment: str) -> tuple[str, Any]:
    """A dotted key and its value from `key=value`: TOML value syntax, and a bare word is text.

    >>> parse_set("stream.rows=16"), parse_set("device=cpu"), parse_set('stream.data=["a", "b"]')
    (('stream.rows', 16), ('device', 'cpu'), ('stream.data', ['a', 'b']))
    """
    found = _KEY.match(assignment)
    key, equals, text = (found[1], "=", assignment[found.end() :]) if found else assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set wants key=value, not {assignment!r}; for instance --set stream.rows=16")
    try:
        return key.strip(), parse_value(text.strip())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"--set {key.strip()}: the value is not valid TOML: {error}", path=key.strip()
        ) from error


def parse_value(text: str) -> Any:
    """A TOML value; what is none is text itself, unless it begins as a list or a table does.

    Raises:
        tomllib.TOMLDecodeError: a list or a table that is written wrong.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        if text.startswith(("[", "{")):
            raise
        return text


def brain_kind(settings: Mapping[str, Any]) -> Any:
    """Which kind of brain a layer asks for; None when it leaves that open."""
    table = settings.get("brain")
    return table.get("kind") if isinstance(table, dict) else None


def origin_of(layers: list[Layer], path: tuple[str, ...]) -> str:
    """Where a setting was last set, in brackets; empty for a default."""
    for layer in reversed(layers):
        value: Any = layer.settings
        for part in path:
            if isinstance(value, list) or (isinstance(value, dict) and part == "0" and part not in value):
                return f" ({layer.origin})"  # an item of a list set as a whole, or a single table in place of one
            if not isinstance(value, dict) or part not in value:
                break
            value = value[part]
        else:
            return f" ({layer.origin})"
    return ""


def show(value: Any) -> str:
    """A value for a line of text, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
