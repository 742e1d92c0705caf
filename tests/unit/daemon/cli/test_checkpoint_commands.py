"""export and evaluate: what they ask of the offline functions, and what they print."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import checkpoint_commands
from daemon.errors import NoCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.cli.conftest import Call


NO_LABELS: dict[str, Any] = {
    "accuracy": None,
    "num_examples": 0,
    "accuracy_by_source": {},
    "num_examples_by_source": {},
}
NO_MEMORY: dict[str, Any] = {"mixed_bpc": None, "mixed_by_source": {}}
MEMORY: dict[str, Any] = {"mixed_bpc": 1.75, "mixed_by_source": {"stdlib": 1.75}}
LABELS: dict[str, Any] = {
    "accuracy": 0.875,
    "num_examples": 1016,
    "accuracy_by_source": {"stdlib": 0.875},
    "num_examples_by_source": {"stdlib": 1016},
}


class Offline:
    """Stands for daemon.trainer.offline.questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def export(self, home: object, checkpoint: str, target: Path) -> Path:
        self.asked.append((checkpoint, target))
        written = target / f"{checkpoint}.pt" if target.is_dir() else target
        written.write_bytes(bytes(2048))
        return written

    def evaluate(self, home: object, checkpoint: str) -> dict[str, Any]:
        if checkpoint == "latest":
            raise NoCheckpointError("There is no checkpoint yet. Begin: synapsed start")
        if checkpoint == "continuous_2":
            return {
                "bpc": None,
                "num_bytes": 0,
                "by_source": {},
                "step": 3,
                "checkpoint": checkpoint,
                **NO_LABELS,
                **NO_MEMORY,
            }
        labels = LABELS if checkpoint == "continuous_3" else NO_LABELS
        return {
            "bpc": 2.5,
            "num_bytes": 1000,
            "by_source": {"stdlib": 2.5},
            "step": 3,
            "checkpoint": checkpoint,
            **labels,
            **(MEMORY if checkpoint == "continuous_4" else NO_MEMORY),
        }


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Offline:
    offline = Offline()
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.questions", offline)
    monkeypatch.setattr(checkpoint_commands, "refuse_unknown", lambda home, checkpoint: None)
    return offline


def test_export_writes_here_unless_asked_otherwise(
    call: Call, offline: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called = call("export", "continuous_1", "--format", "pt")
    assert called.out.startswith(f"Wrote {tmp_path / 'continuous_1.pt'} (2.0 KiB)")
    document = call("export", "continuous_1", "-o", str(tmp_path / "mine.pt"), "--json").json()
    assert document == {"path": str(tmp_path / "mine.pt"), "size_bytes": 2048, "format": "pt"}


def test_export_replaces_a_file_only_when_asked(call: Call, offline: Offline, tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_text("dear")
    assert call("export", "continuous_1", "-o", str(tmp_path / "mine.pt")).code == 2
    assert (tmp_path / "mine.pt").read_text() == "dear"
    assert call("export", "continuous_1", "-o", str(tmp_path / "mine.pt"), "--force").code == 0


def test_evaluate_shows_the_held_out_loss_of_every_source(call: Call, offline: Offline) -> None:
    out = call("evaluate", "continuous_1").out
    assert "Held-out BPC 2.5000 over 1,000 bytes" in out
    assert "stdlib" in out
    assert "accuracy" not in out
    assert "memory" not in out
    assert call("evaluate", "continuous_1", "--json").json()["by_source"] == {"stdlib": 2.5}


def test_of_a_brain_that_predicts_labels_evaluate_shows_the_accuracy_too(
    call: Call, offline: Offline
) -> None:
    out = call("evaluate", "continuous_3").out
    assert "Held-out accuracy 0.875 over 1,016 examples" in out
    head, row = (line.split() for line in out.splitlines()[-2:])
    assert head == ["source", "bpc", "accuracy", "examples"]
    assert row == ["stdlib", "2.500", "0.875", "1,016"]
    assert call("evaluate", "continuous_3", "--json").json()["accuracy"] == 0.875


def test_of_a_brain_with_an_exact_memory_evaluate_shows_both_losses(call: Call, offline: Offline) -> None:
    out = call("evaluate", "continuous_4").out
    assert "Held-out BPC 2.5000 over 1,000 bytes" in out
    assert "Held-out BPC 1.7500 with its exact memory" in out
    head, row = (line.split() for line in out.splitlines()[-2:])
    assert head == ["source", "bpc", "with", "memory"]
    assert row == ["stdlib", "2.500", "1.750"]
    assert call("evaluate", "continuous_4", "--json").json()["mixed_by_source"] == {"stdlib": 1.75}


def test_with_nothing_held_out_evaluate_reports_it(call: Call, offline: Offline) -> None:
    called = call("evaluate", "continuous_2")
    assert (called.code, called.err) == (0, "")
    assert "Nothing is held out" in called.out


def test_without_a_checkpoint_the_exit_code_is_6(call: Call, offline: Offline) -> None:
    called = call("evaluate")
    assert (called.code, called.err.count("\n")) == (6, 1)


@pytest.mark.parametrize("command", ["evaluate", "probe"])
def test_an_unknown_checkpoint_is_refused_before_torch_is_loaded(
    call: Call, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.questions", None)  # importing it would fail
    called = call(command, "nope")
    assert (called.code, called.err.count("\n")) == (5, 1)
    assert "No checkpoint is called 'nope'" in called.err


def test_a_text_of_ones_own_is_scored_by_split(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []

    def evaluate_text(home: object, checkpoint: str, data: Path, *, split: str) -> dict[str, Any]:
        del home
        asked.append((checkpoint, data, split))
        counted = {"num_bytes": 5000, "num_resets": 1, "begin": 95000, "data": data, "packed": None}
        return {
            "checkpoint": "continuous_1",
            "bpc": 2.25,
            "mixed_bpc": 2.0,
            "compressors": {"PPM": 3.5},
            **counted,
        }

    scoring = SimpleNamespace(evaluate_text=evaluate_text)
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.scoring", scoring)
    monkeypatch.setattr(checkpoint_commands, "refuse_unknown", lambda home, checkpoint: None)
    book = tmp_path / "book"
    out = call("evaluate", "continuous_1", "--data", str(book), "--split", "test").out
    assert asked == [("continuous_1", book, "test")]
    assert (
        f"BPC 2.2500 over 5,000 bytes of {book}, test split from byte 95,000 on, each once, in 1 rows" in out
    )
    assert "BPC 2.0000 with its exact memory" in out
    assert "BPC 3.5000 by PPM, of these bytes alone" in out
    assert call("evaluate", "--data", str(book), "--split", "last").code == 2
