"""All that was to be read is gone in the middle of a run: it saves, stands still, and continues when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.trainer_process import spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home


def test_a_run_whose_data_is_gone_saves_and_waits(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "drive"
    folder.mkdir()
    text = folder / "notes.txt"
    text.write_text("what was to be read " * 400)
    trainer = spawn(tiny_order(home, stream__data=[str(folder)], stream__mix="sequential"))
    trainer.receive_until(lambda seen: seen.step >= 5)
    text.rename(tmp_path / "away.txt")
    trainer.receive_until(lambda seen: "paused" in states(seen.events))
    paused = next(
        event
        for event in trainer.events
        if event["kind"] == "state_changed" and event["data"]["after"] == "paused"
    )
    assert "nothing readable is left" in paused["message"]
    saved = [event for event in trainer.events if event["kind"] == "checkpoint_saved"]
    assert (saved[-1]["data"]["reason"], saved[-1]["step"]) == ("pause", paused["step"])
    (tmp_path / "away.txt").rename(text)
    stood = trainer.step
    assert trainer.order("continue").ok
    trainer.receive_until(lambda seen: seen.step > stood + 3)
    assert trainer.order("stop").ok
    assert trainer.finish().state == "stopped"


def states(events: list[dict[str, object]]) -> list[object]:
    """What the run was, one after another."""
    return [event["data"]["after"] for event in events if event["kind"] == "state_changed"]  # type: ignore[index]
