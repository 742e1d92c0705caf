"""Learning interrupted and resumed ends with the very same weights as learning straight through."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING, Any, Literal

import pytest

from daemon.home import Home
from tests.trainer_process import newest, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 60


def weights_hash(checkpoint: Path) -> str:
    return hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()


def learn(home: Home, *, method: Literal["forkserver", "spawn"] = "forkserver", **settings: Any) -> Path:
    """One session to its end; the final checkpoint."""
    goodbye = spawn(tiny_order(home, **settings), method=method).finish()
    assert goodbye.state == "finished", goodbye.error
    assert goodbye.checkpoint is not None
    return home.checkpoints / goodbye.checkpoint


def remembered_hash(checkpoint: Path) -> str:
    """SHA-256 of what the hippocampus keeps; empty without one."""
    path = checkpoint / "tables.safetensors.gz"
    return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() if path.exists() else ""


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run: STEPS steps in one life, of a process begun as the supervisor begins it."""
    home = Home.open(tmp_path_factory.mktemp("straight"), environ={})
    home.prepare()
    return learn(home, method="spawn", limits__steps=STEPS)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_half_and_half_equals_the_whole(home: Home, tmp_path: Path, kind: str, straight: Path) -> None:
    settings: dict[str, Any] = {"optimizer__kind": kind}
    if kind == "adamw":
        whole = straight
    else:
        settings["brain__hippocampus_mib"] = 20  # the exact memory resumes bit for bit, too
        other = Home.open(tmp_path / "other", environ={})
        other.prepare()
        whole = learn(other, limits__steps=STEPS, **settings)
    middle = learn(home, limits__steps=STEPS // 2, **settings)
    end = learn(home, limits__steps=STEPS // 2, session=2, checkpoint=middle, **settings)
    assert weights_hash(end) == weights_hash(whole)
    assert weights_hash(middle) != weights_hash(whole)
    assert remembered_hash(end) == remembered_hash(whole)
    assert (remembered_hash(middle) == remembered_hash(whole)) == (kind == "adamw")  # which has none


def test_after_kill_9_the_same_weights_come_out(home: Home, straight: Path) -> None:
    trainer = spawn(tiny_order(home, limits__steps=STEPS))
    trainer.receive_until(lambda seen: seen.ready is not None)
    trainer.order("checkpoint")
    trainer.receive_until(lambda seen: seen.step >= 10)
    trainer.kill()
    resumed = learn(home, session=2, checkpoint=newest(home.checkpoints), limits_from_checkpoint=True)
    assert weights_hash(resumed) == weights_hash(straight)


def test_text_pushed_before_a_crash_takes_effect_at_the_same_step_again(home: Home, tmp_path: Path) -> None:
    trainer = spawn(tiny_order(home, limits__steps=150))
    trainer.receive_until(lambda seen: seen.step >= 3)
    fed = trainer.order("feed", text="the brain reads what it is told " * 40)
    assert fed.ok
    assert fed.result["effective_step"] >= 3
    whole = trainer.finish()
    assert whole.state == "finished"
    assert whole.checkpoint is not None
    # The same journal, from the checkpoint of step 0: as if everything after it had been lost.
    first = min(home.checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    again = spawn(tiny_order(home, session=2, checkpoint=first, limits_from_checkpoint=True))
    replayed = again.finish()
    assert "experience_pushed" in again.kinds()
    assert replayed.checkpoint is not None
    assert weights_hash(home.checkpoints / replayed.checkpoint) == weights_hash(
        home.checkpoints / whole.checkpoint
    )


def test_pausing_changes_nothing(home: Home, straight: Path) -> None:
    trainer = spawn(tiny_order(home, limits__steps=STEPS))
    trainer.receive_until(lambda seen: seen.ready is not None)
    assert trainer.order("pause").ok
    assert trainer.order("generate", prompt="def ", max_bytes=20, temperature=1.0, top_p=0.9).ok
    assert trainer.order("evaluate").ok
    assert trainer.order("continue").ok
    goodbye = trainer.finish()
    assert goodbye.checkpoint is not None
    assert weights_hash(home.checkpoints / goodbye.checkpoint) == weights_hash(straight)
