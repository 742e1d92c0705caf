"""`[[stream.source]]`: each table checked as its kind wants it, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.data_paths import require_data
from daemon.config.loading import config_from_dict, override_config, resolve_config
from daemon.config.upgrades import config_to_dict
from daemon.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("Call me Ishmael.")
    return path


def complaint(*tables: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_config(overrides={"stream.source": list(tables)}, environ={})
    assert caught.value.path.startswith("stream.source.")
    return str(caught.value)


def test_tables_stand_in_a_preset_with_their_kind_and_defaults(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = book.with_name("mine.toml")
    preset.write_text('[[stream.source]]\npath = "book.txt"\n[[stream.source]]\npath = "."\nname = "all"\n')
    monkeypatch.chdir(book.parent)
    config = resolve_config(preset=preset, overrides={"stream.data": ["book.txt"]}, environ={})
    assert config.stream.source == (
        {"kind": "files", "path": str(book), "name": ""},
        {"kind": "files", "path": str(book.parent), "name": "all"},
    )
    assert config.stream.data == (str(book),)
    assert config_from_dict(config_to_dict(config)) == config


def test_a_single_table_is_a_list_of_one(book: Path) -> None:
    overrides = {"stream.source": {"kind": "files", "path": str(book)}}
    assert len(resolve_config(overrides=overrides, environ={}).stream.source) == 1


def test_what_is_wrong_is_one_line(book: Path) -> None:
    path = str(book)
    assert complaint({"kind": "flies", "path": path}).startswith(
        "no kind of source is called 'flies'; did you mean 'files'? (command line)"
    )
    assert complaint({"kind": "files"}) == "stream.source.0.path is missing (command line)"
    assert "no setting is called stream.source.0.paht; did you mean stream.source.0.path?" in complaint(
        {"paht": path}
    )
    assert "stream.source.1.name = 3: text is expected" in complaint(
        {"path": path}, {"path": path, "name": 3}
    )
    assert "two sources are called so" in complaint({"path": path, "name": "a"}, {"path": path, "name": "a"})
    assert "a table is expected" in complaint("book.txt")
    assert f"did you mean {book}?" in complaint({"path": str(book.with_name("boko.txt"))})


def test_a_stored_path_that_is_gone_is_named_with_its_table(book: Path) -> None:
    config = resolve_config(overrides={"stream.source": [{"path": str(book)}]}, environ={})
    home = book.parent / "home"
    require_data(config.stream, home=home)
    book.unlink()
    assert override_config(config, {"seed": 3}).stream.source == config.stream.source
    with pytest.raises(UsageError, match=r"to learn from; check stream\.source\.0"):
        require_data(config.stream, home=home)
