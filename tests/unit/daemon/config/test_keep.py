"""The bounds of a home: a file, the environment over it, one clear line for every mistake."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from daemon.config.keep import KeepConfig, keep_as_far_as_sound, read_keep
from daemon.config.loading import resolve_config
from daemon.config.setting_ranges import range_in
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_environment_lies_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    assert read_keep(tmp_path, environ={}) == KeepConfig()
    (tmp_path / "keep.toml").write_text("cache_gib = 2\nbackups = 3\n")
    environ = {"SYNAPSED_KEEP__BACKUPS": "4", "SYNAPSED_KEEP__LOG_MIB": "0.5", "OTHER": "x"}
    keep = read_keep(tmp_path, environ=environ)
    assert (keep.cache_gib, keep.backups, keep.log_mib) == (2.0, 4, 0.5)
    assert type(keep.cache_gib) is float
    resolve_config(preset="tiny", environ=environ)  # no setting of a run


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (
            "cache_gb = 2",
            r"no setting is called 'keep\.cache_gb'; did you mean keep\.cache_gib\? \(.*keep\.toml\)",
        ),
        ('cache_gib = "much"', r"keep\.cache_gib = 'much': a number is expected"),
        ("backups = 1.5", r"keep\.backups = 1\.5: a whole number is expected"),
        ("backups = true", r"keep\.backups = True: a whole number is expected"),
        ("backups = 0", r"keep\.backups = 0: a number of at least 1 is expected"),
        ("cache_gib = -1", r"keep\.cache_gib = -1: a number above 0 is expected"),
        ("cache_gib = nan", r"keep\.cache_gib = nan: a number above 0 is expected"),
        ("what", r"keep\.toml is not TOML"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, text: str, printed: str) -> None:
    (tmp_path / "keep.toml").write_text(text)
    with pytest.raises(ConfigError, match=printed) as caught:
        read_keep(tmp_path, environ={})
    assert "\n" not in str(caught.value)
    assert keep_as_far_as_sound(tmp_path, environ={}) == KeepConfig()


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"keep\.cache_gib.*\(environment SYNAPSED_KEEP__CACHE_GIB\)"):
        read_keep(tmp_path, environ={"SYNAPSED_KEEP__CACHE_GIB": "much"})
    # That is reported elsewhere.
    assert read_keep(tmp_path, environ={"SYNAPSED_KEEP__CACHES": "1"}) == KeepConfig()


def test_what_moved_from_the_run_is_found_here() -> None:
    with pytest.raises(
        ConfigError, match=r"no setting is called 'checkpoint\.max_gib'; it is the home's now"
    ):
        resolve_config(preset="tiny", overrides={"checkpoint.max_gib": 3}, environ={})


def test_every_bound_has_a_range() -> None:
    assert all(range_in(KeepConfig, [field.name]) is not None for field in fields(KeepConfig))
