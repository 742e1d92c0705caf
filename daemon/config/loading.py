"""From presets, environment and command line to one checked RunConfig.

    defaults < preset file < SYNAPSED_* environment < command line

A later layer overrides an earlier one key by key; what a person wrote is checked here, once, and never again.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brain.registry import brains
from daemon.config.data_paths import locate
from daemon.config.dotted_names import unfold
from daemon.config.environment import foreign
from daemon.config.labelled_data import with_tables
from daemon.config.layers import (
    Layer,
    asked_layer,
    brain_kind,
    environment_layers,
    origin_of,
    parse_set,
    preset_layer,
)
from daemon.config.names import all_names, open_tables, setting_names
from daemon.config.presets import preset_names, preset_of_brain, read_preset
from daemon.config.setting_upgrades import brought_up, plain
from daemon.config.source_list import check_named_weights, refuse_repeated
from daemon.config.tree import RunConfig
from daemon.config.validation import adapter, check
from daemon.errors import ConfigError, UsageError
from daemon.streams.kinds import settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "PresetInfo",
    "config_from_dict",
    "list_brains",
    "list_presets",
    "override_config",
    "parse_set",
    "resolve_config",
    "setting_names",
    "unknown_variables",
]


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
        preset: name of a shipped preset or path of a TOML file, which extends the shipped preset of its kind of
            brain if there is one; None takes SYNAPSED_PRESET, else that of the kind of brain that is asked for,
            else `default`.
        overrides: from the command line or the API, nested or with dotted keys.
        environ: where `SYNAPSED_STREAM__ROWS=16` style settings are read.
        origin: where the overrides come from, as a person would call it.

    Raises:
        ConfigError: one line that names the setting, where it was set, and the nearest right thing.
    """
    above = asked_layer(overrides or {}, origin)
    if preset is None:
        preset = environ.get("SYNAPSED_PRESET") or _preset_of_brain(above)
    below = preset_layer(preset)
    layers = [below, *environment_layers(environ, all_names()), above]
    kinds = [kind for layer in layers if (kind := brain_kind(layer.settings)) is not None]
    if kinds and kinds[-1] in {entry.name for entry in brains}:
        layers = [below, *environment_layers(environ, setting_names(kinds[-1])), above]
        if str(preset) not in preset_names() and (shipped := preset_of_brain(kinds[-1])) is not None:
            layers.insert(0, preset_layer(shipped))  # a person's own says only what differs
    config = check(layers, str(preset))
    _require_growing(config, layers)
    return _with_sources(config, layers)


def _preset_of_brain(asked: Layer) -> str:
    """The shipped preset for the kind of brain that is asked for; `default` where it has none."""
    kind = brain_kind(asked.settings)
    return (preset_of_brain(kind) if kind in {entry.name for entry in brains} else None) or "default"


def unknown_variables(environ: Mapping[str, str] = os.environ, *, kind: str | None = None) -> list[str]:
    """A line for each SYNAPSED_* variable that is not a setting and so has no effect, with the nearest that has.

    `kind` is that of the brain; without it the settings of every kind count.
    """
    names = all_names() if kind is None else setting_names(kind)
    return foreign(environ, names, open_tables(RunConfig))


def config_from_dict(settings: Mapping[str, Any], *, origin: str = "stored configuration") -> RunConfig:
    """Take back `config_to_dict`, of this version or any before; a setting that is missing has its default.

    Raises:
        ConfigError: as `resolve_config`; or it was stored by a later version.
    """
    nested = unfold(brought_up(settings, origin=origin), origin=origin)
    return check([Layer(origin, nested)], str(nested.get("preset", "default")))


def override_config(
    config: RunConfig, overrides: Mapping[str, Any], *, origin: str = "command line"
) -> RunConfig:
    """`config` with `overrides` (nested or dotted) on top: what a resumed run continues with.

    Raises:
        ConfigError: as `resolve_config`.
    """
    stored, asked = plain(config), asked_layer(overrides, origin)
    stream = asked.settings.get("stream")
    if brains.get(config.brain["kind"]).needs_labels and isinstance(stream, dict) and "data" in stream:
        stored["stream"] = {**stored["stream"], "source": []}  # tables given as data became sources
    layers = [Layer("stored configuration", stored), asked]
    checked = check(layers, config.preset)
    if not config.growth.enabled:
        _require_growing(checked, layers)
    # What was stored is located; it may be gone by now, and whoever continues with it reports that.
    before, after = config.stream, checked.stream
    if (before.data, before.source) != (after.data, after.source):
        return _with_sources(checked, layers)
    if (before.mix, before.weights) != (after.mix, after.weights):
        check_named_weights(after, layers)
    return checked


def list_presets() -> list[PresetInfo]:
    """The presets that ship with synapsed, by name; the environment plays no part in them."""
    return [
        PresetInfo(name=name, summary=read_preset(name)[0], config=check([preset_layer(name)], name))
        for name in preset_names()
    ]


def list_brains() -> list[dict[str, Any]]:
    """Every kind of brain as the API lists it: kind, summary, JSON schema of its settings."""
    return [
        {"kind": entry.name, "summary": entry.summary, "settings": adapter(entry.config).json_schema()}
        for entry in brains
    ]


def _with_sources(config: RunConfig, layers: list[Layer]) -> RunConfig:
    """Sources located, and such as the brain can learn from."""
    entry = brains.get(config.brain["kind"])
    if entry.needs_labels:
        config = dataclasses.replace(config, stream=with_tables(config.stream, entry, layers))
    located = _with_located_data(config, layers)
    _require_labels(located, layers)
    return located


def _require_labels(config: RunConfig, layers: list[Layer]) -> None:
    """Refuse a brain that learns labels without a source that has any."""
    kind, tables = config.brain["kind"], config.stream.source
    if not brains.get(kind).needs_labels or any(settings_of(table).has_labels for table in tables):
        return
    path = ("stream", "source" if tables else "data")
    raise ConfigError(
        f"brain {kind} learns labels, and no source has any{origin_of(layers, path)}; name a table and its fields: "
        """--set 'stream.source=[{kind="table", path="FILE.csv", text_field="text", label_field="label"}]'""",
        path="stream.source",
    )


def _require_growing(config: RunConfig, layers: list[Layer]) -> None:
    """Refuse growth of a brain that cannot grow."""
    kind = config.brain["kind"]
    if config.growth.enabled and not brains.get(kind).can_grow:
        raise ConfigError(
            f"brain {kind} cannot grow: leave out --neurogenesis (growth.enabled)"
            f"{origin_of(layers, ('growth', 'enabled'))}",
            path="growth.enabled",
        )


def _with_located_data(config: RunConfig, layers: list[Layer]) -> RunConfig:
    """Paths of sources made absolute and checked at once, each and together."""
    for text in config.stream.data:
        _refuse_empty(text, ("stream", "data"), layers)
    try:
        data = locate(config.stream.data, may_fill=config.stream.at_end == "wait")
    except UsageError as error:
        raise ConfigError(f"{error}{origin_of(layers, ('stream', 'data'))}", path="stream.data") from None
    source = tuple(
        _located_source(table, place, may_fill=config.stream.at_end == "wait", layers=layers)
        for place, table in enumerate(config.stream.source)
    )
    stream = dataclasses.replace(config.stream, data=data, source=source)
    refuse_repeated(stream, layers)
    check_named_weights(stream, layers)
    return dataclasses.replace(config, stream=stream)


def _located_source(
    table: dict[str, Any], place: int, *, may_fill: bool, layers: list[Layer]
) -> dict[str, Any]:
    """The table of a source with its path made absolute, after a look at what is there."""
    path = ("stream", "source", str(place))
    _refuse_empty(table["path"], (*path, "path"), layers)
    try:
        (located,) = locate([table["path"]], may_fill=may_fill)
        found = {**table, "path": located}
        settings_of(found).check(may_fill=may_fill)
    except UsageError as error:
        raise ConfigError(f"{error}{origin_of(layers, path)}", path=".".join(path)) from None
    return found


def _refuse_empty(text: str, path: tuple[str, ...], layers: list[Layer]) -> None:
    if not text:
        name = ".".join(path)
        line = f'{name} = "": the path is empty{origin_of(layers, path)}'
        raise ConfigError(line, path=name)
