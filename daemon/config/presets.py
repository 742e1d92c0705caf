"""Presets on disk: those that ship with synapsed, by name, and a person's own TOML files."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

from brain.nearest_name import did_you_mean
from daemon.config.data_paths import nearest_existing
from daemon.errors import ConfigError, UsageError
from daemon.system.paths import as_path, is_file, is_folder, shown, status_of

if TYPE_CHECKING:
    from pathlib import Path


def preset_names() -> list[str]:
    """Names of the presets that ship with synapsed."""
    files = resources.files("presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def preset_of_brain(kind: str) -> str | None:
    """The shipped preset for a kind of brain: of its name, else its smallest, `<kind>-demo`; None without one."""
    return next((name for name in (kind, f"{kind}-demo") if name in preset_names()), None)


def read_preset(preset: str | Path) -> tuple[str, dict[str, Any]]:
    """Summary and settings of a preset: a shipped name, else a TOML file.

    Raises:
        ConfigError: when there is none, with the nearest; or when it is not TOML.
    """
    name = str(preset)
    try:
        if name in preset_names():
            text = (resources.files("presets") / f"{name}.toml").read_text(encoding="utf-8")
        else:
            text = _own_file(name).read_text(encoding="utf-8")
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the preset {name} is not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the preset {shown(name)}: {error}") from error
    return str(settings.pop("summary", "")), settings


def _own_file(name: str) -> Path:
    try:
        path = as_path(name)
        status_of(path)
    except UsageError as error:
        raise ConfigError(f"cannot read the preset: {error}") from None
    if is_file(path):
        return path
    if is_folder(path):
        raise ConfigError(f"{shown(name)} is a folder; --preset takes a preset's name or a TOML file")
    if path.suffix == ".toml" or len(path.parts) > 1:
        near = nearest_existing(path)
        raise ConfigError(
            f"there is no preset file {shown(name)}" + (f"; did you mean {shown(near)}?" if near else "")
        )
    raise ConfigError(f"no preset is called {shown(name)!r}{preset_hint(name, ', or a TOML file')}")


def preset_hint(name: str, further: str = "") -> str:
    """What to add to a message about a preset that does not exist."""
    names = preset_names()
    return did_you_mean(name, names, otherwise=f"known: {', '.join(names)}{further}")
