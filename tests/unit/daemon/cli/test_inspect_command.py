"""inspect: what it asks for, and what it prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import inspect_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.cli.conftest import Call


class Inspecting:
    """Stands for daemon.trainer.offline.inspecting."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.halting: dict[str, float] | None = None
        self.bytes: list[dict[str, Any]] = [{"byte": 10, "count": 31, "steps": 2.5, "gained_bits": 0.125}]

    def inspect(self, home: object, checkpoint: str, *, data: Path | None, max_bytes: int) -> dict[str, Any]:
        self.asked.append((checkpoint, data, max_bytes))
        values = {"entropy": 1.5, "untrained_bpc": 8.5, "untrained_entropy": 5.0, "untrained_delta_z": 6.6}
        return {
            "checkpoint": "continuous_1",
            "step": 1200,
            "weights": "fast",
            "text": "held out" if data is None else str(data),
            "warning": "only 2 bytes read",
            "thinking_steps": 3,
            "num_bytes": 65_536,
            "steps": [
                {"steps": 0, "bpc": 2.5, "delta_z": None, **values},
                {"steps": 3, "bpc": 2.25, "delta_z": 0.125, **values},
                {"steps": 8, "bpc": 2.75, "delta_z": 0.25, **values},
            ],
            "bytes": self.bytes,
            "halting": self.halting,
        }


@pytest.fixture
def inspecting(monkeypatch: pytest.MonkeyPatch) -> Inspecting:
    fake = Inspecting()
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.inspecting", fake)
    monkeypatch.setattr(inspect_command, "refuse_unknown", lambda home, checkpoint: None)
    return fake


def test_it_shows_loss_and_movement_by_steps_beside_an_untrained_twin(
    call: Call, inspecting: Inspecting
) -> None:
    called = call("inspect")
    assert called.code == 0
    assert inspecting.asked == [("latest", None, 65_536)]
    assert "3 steps of thinking, 65,536 bytes (held out)" in called.out
    assert ["3", "2.250", "1.500", "0.125", "8.500", "5.000", "6.600"] in [
        line.split() for line in called.out.splitlines()
    ]
    assert "Its 3 steps change the loss by -0.2500 bits a byte; the lowest is that with 3." in called.out
    assert "exits" not in called.out
    assert called.err == "synapsed: only 2 bytes read\n"


def test_a_text_of_ones_own_exits_and_json(call: Call, inspecting: Inspecting, tmp_path: Path) -> None:
    inspecting.halting = {"bpc": 2.3, "steps": 1.5, "share_of_steps": 0.5, "share_of_gain": 0.8}
    book = tmp_path / "book.txt"
    out = call("inspect", "continuous_1", "--data", str(book), "--max-bytes", "99").out
    assert inspecting.asked == [("continuous_1", book, 99)]
    assert "1.50 steps a patch (50% of the steps, 80% of what they gain)" in out
    assert call("inspect", "--json").json()["halting"] == inspecting.halting


def test_too_little_text_to_compare_bytes_is_said(call: Call, inspecting: Inspecting) -> None:
    inspecting.bytes = []
    assert "No byte comes often enough to compare bytes." in call("inspect").out
