"""A checkpoint is quantised: at once, after learning on as a ternary brain, and not where it cannot be."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.app import main
from daemon.errors import CheckpointError, UsageError
from daemon.trainer.life import loss_limit
from daemon.trainer.offline.quantising import loss_of, quantise
from daemon.trainer.offline.questions import evaluate, export, generate, open_checkpoint
from tests.integration.test_bit_exact import learn, weights_hash
from tests.one_life import OneLife
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from daemon.home import Home


@pytest.fixture
def text(tmp_path: Path) -> dict[str, Any]:
    book = tmp_path / "typing.py"
    book.write_bytes(Path(typing.__file__).read_bytes())
    return {"stream__data": [str(book)], "stream__held_out_share": 0.1}


def test_a_checkpoint_becomes_a_file_that_is_asked_and_evaluated_but_not_resumed(
    home: Home, text: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = learn(home, limits__steps=30, brain__hippocampus_mib=20, **text)
    before = weights_hash(checkpoint)
    made = quantise(home, checkpoint.name, tmp_path / "small.safetensors", bits="1.6")
    path = Path(made["path"])
    assert made["size_bytes"] == path.stat().st_size <= made["float_bytes"] / 12
    assert made["fits"]
    assert weights_hash(checkpoint) == before
    scored = evaluate(home, str(path))
    assert scored["bpc"] == pytest.approx(made["after"]["bpc"])
    assert scored["num_bytes"] == made["num_bytes"]
    assert scored["packed"] == "ternary, signs at 1.6 bits, tables at 8 bits"
    assert made["before"]["bpc"] == pytest.approx(evaluate(home, checkpoint.name)["bpc"])
    answer = generate(home, str(path), "import ", max_bytes=12, temperature=0.8, top_p=0.9)
    assert answer["bytes_generated"] >= 12
    with pytest.raises(UsageError, match="is a packed file already"):
        quantise(home, str(path), None, bits="2")
    with pytest.raises(UsageError, match="export a checkpoint"):
        export(home, str(path), tmp_path)
    assert main(["resume", str(path), "--home", str(home.root), "--port", "0"]) == 2
    assert "can be asked and evaluated but not resumed" in capsys.readouterr().err
    made = quantise(home, checkpoint.name, path, bits="2")
    assert made["after"]["bpc"] == pytest.approx(scored["bpc"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="torn"):
        evaluate(home, str(path))


def test_learning_on_is_a_run_of_its_own_that_ends_at_a_loss_and_resumes_bit_exactly(
    home: Home, text: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_limit, "EVERY_STEPS", 10)
    full = learn(home, limits__steps=25, **text)
    begun = loss_of(home, full.name)
    assert not begun["is_ternary"]
    wanted: dict[str, Any] = {**text, "brain__ternary": True, "limits__held_out_bpc": begun["bpc"] * 1.03}

    def life(**settings: Any) -> OneLife:
        return OneLife(tiny_order(home, **{**wanted, **settings}))

    whole = life(run_id="r-one", fork_of="r-test", checkpoint=full)
    compared = [event["data"]["bpc"] for event in whole.events if event["kind"] == "loss_compared"]
    assert whole.goodbye.state == "finished"
    assert compared[-1] <= begun["bpc"] * 1.03
    assert all(bpc > begun["bpc"] * 1.03 for bpc in compared[:-1])
    assert whole.goodbye.step % 10 == 0
    assert whole.goodbye.checkpoint is not None
    end = home.checkpoints / whole.goodbye.checkpoint
    assert open_checkpoint(home, end.name).manifest.spec["config"]["ternary"]
    assert not open_checkpoint(home, full.name).manifest.spec["config"]["ternary"]

    half = life(run_id="r-two", fork_of="r-test", checkpoint=full, limits__steps=3)
    assert half.goodbye.step == 28
    assert half.goodbye.checkpoint is not None
    middle = home.checkpoints / half.goodbye.checkpoint
    rest = OneLife(
        tiny_order(home, **text, run_id="r-two", session=2, checkpoint=middle, limits_from_checkpoint=True)
    )
    assert rest.goodbye.step == whole.goodbye.step
    assert rest.goodbye.checkpoint is not None
    assert weights_hash(home.checkpoints / rest.goodbye.checkpoint) == weights_hash(end)

    made = quantise(home, end.name, tmp_path / "learned.safetensors", bits="1.6")
    assert made["was_ternary"]
    assert made["after"]["bpc"] == pytest.approx(compared[-1], rel=2e-3)  # its table alone has lost bits


def test_what_has_no_ternary_form_or_is_damaged_is_refused_in_a_line(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text("text\tlabel\n" + "".join(f"word {row}\t{row % 2}\n" for row in range(2000)))
    source = {"kind": "table", "path": str(table), "label_field": "label"}
    small: dict[str, Any] = {"brain__kind": "classifier", "brain__hidden_size": 16, "brain__num_buckets": 512}
    labelled = learn(home, limits__steps=2, **small, stream__data=[], stream__source=[source])
    asked = ["quantize", labelled.name, "--home", str(home.root), "-o", str(tmp_path / "out.safetensors")]
    assert main(asked) == 2
    assert "a brain of kind classifier" in capsys.readouterr().err
    (labelled / "model.safetensors").write_bytes(b"torn")
    assert main(asked) == 6
    assert "is torn" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
