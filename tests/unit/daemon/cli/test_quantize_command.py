"""quantize: what it requests, how it continues learning, and what it prints."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import quantize_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.cli.conftest import Call


class Quantising:
    """Stands for daemon.trainer.offline.quantising."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.begun: dict[str, Any] = {
            "checkpoint": "continuous_1",
            "step": 7,
            "bpc": 2.0,
            "num_bytes": 4096,
            "is_ternary": False,
            "target_bpc": None,
        }
        self.after: float | None = 2.05
        self.was_ternary = False

    def loss_of(self, home: object, checkpoint: str) -> dict[str, Any]:
        return self.begun

    def quantise(self, home: object, checkpoint: str, target: Path | None, *, bits: str) -> dict[str, Any]:
        self.asked.append((checkpoint, target, bits))
        speed = {"read_bytes_per_cpu_second": 1000.0, "written_bytes_per_cpu_second": 100.0}
        return {
            "path": "small.safetensors",
            "size_bytes": 1024,
            "float_bytes": 16384,
            "times_smaller": 16.0,
            "fits": True,
            "sign_bits": 1.6,
            "table_bits": 8,
            "checkpoint": checkpoint,
            "step": 7,
            "was_ternary": self.was_ternary,
            "before": {"bpc": 2.0 if self.after else None, **speed},
            "after": {"bpc": self.after, **speed},
            "num_bytes": 4096,
            "not_measured": None if self.after else "There is nothing at book.txt",
        }


@pytest.fixture
def quantising(monkeypatch: pytest.MonkeyPatch) -> Quantising:
    fake = Quantising()
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.quantising", fake)
    return fake


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Command lines of daemons that it begins; each ends well at once."""
    begun: list[list[str]] = []

    class Child:
        def __init__(self, words: list[str], **_: object) -> None:
            begun.append(words)
            self.waits = 0

        def wait(self) -> int:
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt  # the child has got it as well and saves
            return 0

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(quantize_command, "_newest", lambda _: "continuous_2")
    return begun


def test_it_prints_size_loss_and_pace_beside_those_of_the_checkpoint(
    call: Call, quantising: Quantising
) -> None:
    out = call("quantize", "continuous_1").out
    assert "1/16.0 of 16.0 KiB in single precision; matrices at 1.6 bits a weight, its table at 8" in out
    assert "Held-out BPC 2.0500 packed, 2.0000 in full precision (+2.5 %), over 4,096 bytes" in out
    assert "Recover it by further learning: synapsed quantize continuous_1 --until 3%" in out
    assert "In a second of CPU it reads 1,000 bytes (before: 1,000) and writes 100 bytes (before: 100)" in out
    assert "No GGUF is written" in out
    assert quantising.asked == [("continuous_1", None, "1.6")]
    assert call("quantize", "continuous_1", "--bits", "2", "--json").json()["size_bytes"] == 1024
    assert quantising.asked[-1][2] == "2"


def test_without_its_sources_the_loss_is_not_measured(call: Call, quantising: Quantising) -> None:
    quantising.after = None
    assert "There is nothing at book.txt" in call("quantize", "continuous_1").out


def test_a_file_that_is_there_is_kept_unless_asked(
    call: Call, quantising: Quantising, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("dear")
    called = call("quantize", "continuous_1", "-o", str(tmp_path / "mine"))
    assert (called.code, quantising.asked) == (2, [])
    assert "is there already" in called.err
    assert call("quantize", "continuous_1", "-o", str(tmp_path / "mine"), "--force").code == 0


def test_it_learns_on_in_a_fork_until_so_little_above(
    call: Call, quantising: Quantising, children: list[list[str]]
) -> None:
    out = call("quantize", "latest", "--until", "3%", "--steps", "400", "--port", "0").out
    assert "Held-out BPC 2.0000 over 4,096 bytes; learning on as a ternary brain until 2.0600" in out
    (words,) = children
    assert words[1:6] == ["-P", "-m", "daemon", "resume", "continuous_1"]
    assert "--fork" in words
    assert {"limits.held_out_bpc=2.060000", "brain.ternary=true", "400"} <= set(words)
    assert quantising.asked == [("continuous_2", None, "1.6")]
    assert "is not reached" not in out
    quantising.after = 2.07
    assert "The goal of 2.0600 is not reached" in call("quantize", "latest", "--until", "3%").out


def test_one_that_was_learning_on_goes_on_to_the_same_loss(
    call: Call, quantising: Quantising, children: list[list[str]]
) -> None:
    quantising.begun |= {"is_ternary": True, "target_bpc": 2.06}
    quantising.was_ternary = True
    out = call("quantize", "latest", "--until", "5").out
    assert "2.0500 packed, 2.0000 as it learned (+2.5 %)" in out
    assert "The goal of 2.0600 is reached" in out
    (words,) = children
    assert "--fork" not in words
    assert "limits.held_out_bpc=2.060000" in words
    quantising.begun |= {"target_bpc": None}
    called = call("quantize", "latest", "--until", "5")
    assert (called.code, len(children)) == (2, 1)
    assert "is ternary already" in called.err


def test_where_nothing_is_held_out_no_loss_can_be_compared(call: Call, quantising: Quantising) -> None:
    quantising.begun["bpc"] = None
    called = call("quantize", "latest", "--until", "3%")
    assert called.code == 2
    assert "nothing is held out" in called.err


@pytest.mark.parametrize("wrong", ["much", "-1%", "101%", "nan", ""])
def test_a_share_that_is_none_is_named(call: Call, quantising: Quantising, wrong: str) -> None:
    called = call("quantize", "latest", f"--until={wrong}")
    assert called.code == 2
    assert "is not a percentage" in called.err
