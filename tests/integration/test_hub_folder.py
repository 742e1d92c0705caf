"""A checkpoint as a folder of weights: what is in it, what it leaves behind, that it reads as the checkpoint did."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.app import main
from daemon.errors import UsageError
from daemon.trainer.offline.hub_folder import export_folder
from daemon.trainer.offline.questions import evaluate, generate
from daemon.trainer.offline.scoring import evaluate_text
from tests.integration.test_bit_exact import learn

if TYPE_CHECKING:
    from daemon.home import Home


def test_a_folder_reads_as_its_checkpoint_and_says_nothing_of_its_sources(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "secret-book.py"
    book.write_bytes(Path(typing.__file__).read_bytes()[:32_768])
    text: dict[str, Any] = {"stream__data": [str(book)], "stream__held_out_share": 0.5}
    checkpoint = learn(home, limits__steps=6, brain__hippocampus_mib=20, **text)
    folder = tmp_path / "shared"
    found = export_folder(home, checkpoint.name, folder)
    assert found["bpc"] == found["before_bpc"]
    assert found["files"].keys() == {"model.safetensors", "config.json", "README.md"}
    for file in folder.iterdir():
        assert b"secret-book" not in file.read_bytes()
    about = json.loads((folder / "config.json").read_text())
    assert (about["step"], about["held_out_bpc"], about["model_type"]) == (6, found["bpc"], "synapsed")
    assert f"{found['bpc']:.4f} bits a byte" in (folder / "README.md").read_text()

    of_folder = evaluate_text(home, str(folder), book, split="test")
    of_checkpoint = evaluate_text(home, checkpoint.name, book, split="test")
    assert of_folder["bpc"] == pytest.approx(of_checkpoint["bpc"], rel=1e-6)
    assert of_folder["mixed_bpc"] is None
    assert 1 < of_folder["compressors"]["PPMd order 12"] < 8
    assert of_checkpoint["mixed_bpc"] < of_checkpoint["bpc"]
    size = book.stat().st_size
    assert (of_folder["begin"], of_folder["num_bytes"]) == (round(0.95 * size), size - round(0.95 * size))
    before = evaluate_text(home, str(folder), book, split="validation")
    assert (before["begin"], before["num_bytes"]) == (
        round(0.9 * size),
        of_folder["begin"] - round(0.9 * size),
    )
    assert generate(home, str(folder), "import ", max_bytes=5, temperature=0.8, top_p=0.9)["step"] == 6

    with pytest.raises(UsageError, match="does not say what it read"):
        evaluate(home, str(folder))
    with pytest.raises(UsageError, match="a file of weights already"):
        export_folder(home, str(folder), tmp_path / "again")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(UsageError, match="is empty"):
        evaluate_text(home, str(folder), empty, split="all")
    assert main(["resume", str(folder), "--home", str(home.root), "--port", "0"]) == 2
    assert "can be asked and evaluated but not resumed" in capsys.readouterr().err
