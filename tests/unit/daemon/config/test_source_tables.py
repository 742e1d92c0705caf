"""`[[stream.source]]`: each table checked as its kind wants it, before anything starts."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.data_paths import require_data
from daemon.config.loading import config_from_dict, override_config, resolve_config
from daemon.config.setting_upgrades import config_to_dict
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
    config = resolve_config(preset=preset, overrides={"stream.data": ["mine.toml"]}, environ={})
    assert config.stream.source == (
        {"kind": "files", "path": str(book), "name": ""},
        {"kind": "files", "path": str(book.parent), "name": "all"},
    )
    assert config.stream.data == (str(preset),)
    assert config_from_dict(config_to_dict(config)) == config


def test_a_single_table_is_a_list_of_one(book: Path) -> None:
    overrides = {"stream.source": {"kind": "files", "path": str(book)}}
    assert len(resolve_config(overrides=overrides, environ={}).stream.source) == 1


def test_what_is_wrong_is_one_line(book: Path) -> None:
    path = str(book)
    assert complaint({"kind": "flies", "path": path}).startswith(
        "no kind of source is called 'flies'; did you mean files? (command line)"
    )
    assert complaint({"kind": "files"}) == "stream.source.0.path is missing (command line)"
    assert "the kind of source files has no setting paht; did you mean stream.source.0.path?" in complaint(
        {"paht": path}
    )
    # What is missing there is the kind, not another name of the field.
    assert complaint({"path": path, "label_field": "intent"}) == (
        'the kind of source files has no setting label_field; a source with kind = "table" has (command line)'
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


def weighted(weights: dict[str, float], *paths: Path, **stream: Any) -> dict[str, Any]:
    return {
        "stream": {"data": [str(path) for path in paths], "mix": "weighted", "weights": weights, **stream}
    }


def test_weights_of_no_source_are_refused_before_a_start(book: Path) -> None:
    good = resolve_config(overrides=weighted({"book.txt": 2.0}, book), environ={})
    with pytest.raises(ConfigError) as caught:
        resolve_config(overrides=weighted({"bok.txt": 2.0}, book), environ={})
    assert str(caught.value) == (
        "stream.weights.bok.txt: no source is called that; did you mean book.txt? (command line)"
    )
    assert caught.value.path == "stream.weights.bok.txt"
    named = [{"path": str(book), "name": "novel"}]
    assert resolve_config(overrides=weighted({"novel": 2.0}, source=named), environ={}).stream.weights
    with pytest.raises(ConfigError, match=r"known: novel"):
        resolve_config(overrides=weighted({"x": 2.0}, source=named), environ={})
    assert resolve_config(overrides=weighted({"stdlib": 2.0}), environ={}).stream.weights
    with pytest.raises(ConfigError, match=r"stream\.weights are all 0"):
        resolve_config(overrides=weighted({"book.txt": 0.0}, book), environ={})
    with pytest.raises(ConfigError, match=r"did you mean book\.txt"):
        override_config(good, {"stream.weights.boook.txt": 1.0})
    book.unlink()
    assert override_config(good, {'stream.weights."book.txt"': 1.0}).stream.weights == {"book.txt": 1.0}


def test_a_source_given_twice_is_refused(book: Path) -> None:
    again = {"path": str(book.parent / "." / book.name)}
    assert complaint({"path": str(book)}, {**again, "name": "again"}) == (
        f"stream.source.1 is {book}, which stream.source.0 is already; leave one out, or give it a weight "
        "(stream.weights) (command line)"
    )
    link = book.with_name("link.txt")
    link.symlink_to(book)
    with pytest.raises(ConfigError, match=r"stream\.data\.1 is .*, which stream\.data\.0 is already"):
        resolve_config(overrides={"stream.data": [str(book), str(link)]}, environ={})
    with pytest.raises(ConfigError, match=r"stream\.source\.0 is .*, which stream\.data\.0 is already"):
        resolve_config(overrides={"stream.data": [str(book)], "stream.source": [again]}, environ={})
    rows = book.with_name("i.csv")
    rows.write_text("text,title\na,b\n")
    tables = [{"kind": "table", "path": str(rows), "text_field": name} for name in ("text", "title")]
    assert len(resolve_config(overrides={"stream.source": tables}, environ={}).stream.source) == 2


def test_a_table_without_records_is_refused_before_a_start(book: Path) -> None:
    rows = book.with_name("i.csv")
    asked = {"kind": "table", "path": str(rows), "label_field": "intent"}
    rows.write_text("text,intent\n")
    assert "nothing to read in i.csv: only a header line (command line)" in complaint(asked)
    rows.write_text("text,intent\n\n")
    assert "only a header line" in complaint(asked)
    following = {"stream.source": [asked], "stream.at_end": "wait"}
    assert resolve_config(overrides=following, environ={}).stream.source
    rows.write_text("text,intent\na,\nb,\n,c\n")
    assert "nothing to read in i.csv: 2 records without intent, 1 record without text" in complaint(asked)
    folder = {**asked, "path": str(rows.parent)}
    rows.with_suffix(".csv.gz").write_bytes(gzip.compress(b"text,intent\na,b\n"))
    assert resolve_config(overrides={"stream.source": [folder]}, environ={}).stream.source
    rows.write_text("text,intent\na,\na,b\n")
    assert resolve_config(overrides={"stream.source": [asked]}, environ={}).stream.source
