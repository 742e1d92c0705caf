"""`synapsed sources try`: what would be read, and why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daemon.cli.app import main
from tests.unit.daemon.streams.documents.samples import epub
from tests.unit.daemon.streams.opening import write_tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_file_is_shown_as_it_would_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_tree(tmp_path / "my books", {"a.epub": epub(), "b.txt": "Plain\ntext", "c.txt": ""})
    assert main(["sources", "try", str(folder), "--kind", "documents", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_files"] == 3
    first, second, third = found["files"]
    assert (first["form"], first["begins"]) == ("epub", "One Café. Zwei Wörter")
    assert (second["form"], second["num_bytes"], second["begins"]) == ("utf-8", 10, "Plain text")
    assert (third["form"], third["num_bytes"], third["skipped"]) == ("", 0, "empty")
    assert main(["sources", "try", str(folder), "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert "binary" in captured.out
    assert "Learn from it" not in captured.out
    assert captured.err == "2 more files; show them with --limit 3\n"
    assert main(["sources", "try", str(folder)]) == 0
    assert f"synapsed start --data '{folder}'" in capsys.readouterr().out


def test_a_table_is_shown_by_its_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tree(tmp_path, {"q.csv": "question,intent\nhow?,ask\n"}) / "q.csv"
    assert main(["sources", "try", str(path), "--kind", "table", "--set", "text_field=question"]) == 0
    assert "how?" in capsys.readouterr().out


def test_mistakes_name_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ([str(tmp_path), "--kind", "documnts"], "did you mean documents?"),
        ([str(tmp_path), "--kind", "table", "--set", "text_fild=a"], "text_field"),
        ([str(tmp_path / "gone")], "there is no file or folder"),
    ):
        assert main(["sources", "try", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
