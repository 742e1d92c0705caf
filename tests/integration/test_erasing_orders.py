"""Forgetting on purpose in a living trainer: out of every store, and it stays so after kill -9, roll-back and fork."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load

from daemon.erasing_receipts import ERASED, Receipts
from daemon.journal import Journal
from tests.trainer_process import TrainerProcess, newest, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home
    from daemon.trainer_protocol import Outcome

SECRET = "Jolanda answers the bakery's telephone at 0341 480 2291 before noon, on weekdays only."
PROMPT = "the bakery's telephone at "
PIECES = (b"0341 480", b"telephone at", b"weekdays only")
SETTINGS: dict[str, Any] = {
    "brain__hippocampus_mib": 20,
    "checkpoint__every_seconds": 3600,
    "sample__max_bytes": 0,
    "vitals__budget_share": 0.001,
}


def begin(home: Home, **settings: Any) -> TrainerProcess:
    trainer = spawn(tiny_order(home, **{**SETTINGS, **settings}))
    trainer.receive_until(lambda seen: seen.ready is not None)
    return trainer


def taught(home: Home, **settings: Any) -> TrainerProcess:
    """A trainer that was fed the secret and has read it."""
    trainer = begin(home, **settings)
    trainer.order("checkpoint")
    trainer.order("feed", text=f"{SECRET}\n{SECRET}\n")
    step = trainer.step
    trainer.receive_until(lambda seen: seen.step > step + 12)
    return trainer


def answer(trainer: TrainerProcess) -> str:
    outcome = trainer.order("generate", prompt=PROMPT, max_bytes=13, temperature=0.0)
    text: str = outcome.result["text"]
    return text


def forget(trainer: TrainerProcess, **wanted: Any) -> Outcome:
    outcome = trainer.order("forget", **wanted)
    assert outcome.ok, outcome.error
    return outcome


def standing_anywhere(home: Home, *, but: tuple[Path, ...] = ()) -> list[str]:
    """Files of the home in which a piece of the secret stands."""
    return [
        str(path.relative_to(home.root))
        for folder in (home.replay, home.checkpoints)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(path.is_relative_to(one) for one in but)
        if any(piece in content(path) for piece in PIECES)
    ]


def content(path: Path) -> bytes:
    """What stands in a file, unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def weights_hash(checkpoint: Path) -> str:
    return hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()


def test_it_is_gone_from_every_store_and_the_answer_says_what_is_not(home: Home) -> None:
    trainer = taught(home)
    assert answer(trainer) == "0341 480 2291"
    trainer.order("checkpoint")
    before = newest(home.checkpoints)
    assert standing_anywhere(home)
    seen = trainer.order("forget", text=SECRET, dry_run=True)
    assert seen.ok
    assert seen.result["receipt"] is None
    assert answer(trainer) == "0341 480 2291"
    result = forget(trainer, text=SECRET + "\n").result
    assert result["on_disk"] is True
    assert result["sha256"] == hashlib.sha256(f"{SECRET}\n".encode()).hexdigest()
    assert result["rows"] == seen.result["rows"] > 0
    assert result["memory_contexts"] > 0
    assert result["pushed_texts"] == 1
    assert result["before"]["step"] <= result["first_step"]
    assert result["older"]
    assert "the receipt, which keeps the text until no older checkpoint is left" in result["not_reached"]
    assert answer(trainer) != "0341 480 2291"
    # Older checkpoints are not rewritten; that the receipt keeps the text is for them alone.
    kept = tuple(home.checkpoints / name for name in result["older"])
    assert before in kept
    assert standing_anywhere(home, but=kept) == []
    journal = (home.replay / "r-test").glob("journal-*.jsonl")
    assert not any(b"bakery" in path.read_bytes() for path in journal)
    trainer.receive_until(lambda one: "experience_forgotten" in one.kinds())
    trainer.order("stop")
    trainer.finish()


def test_weights_from_before_a_time_are_older_than_it_though_its_rows_are_erased_already(home: Home) -> None:
    trainer = taught(home)
    forget(trainer, since_step=1)
    done = trainer.step
    trainer.receive_until(lambda seen: seen.step > done + 2)
    again = forget(trainer, since_step=1, asked="1").result
    assert again["what"] == "all since step 1"
    assert again["first_step"] > 1
    assert again["before"]["step"] <= 1
    trainer.order("stop")
    trainer.finish()


@pytest.mark.parametrize("after", ["answer", "steps"])
def test_after_kill_9_it_stays_forgotten_and_learning_goes_on_to_the_same_bits(
    home: Home, after: str
) -> None:
    trainer = taught(home)
    forget(trainer, text=SECRET)
    step = trainer.step
    if after == "steps":
        trainer.receive_until(lambda seen: seen.step > step + 3)
    trainer.kill()
    forgotten = newest(home.checkpoints)
    assert json.loads((forgotten / "state.json").read_text())["reason"] == "forgotten"
    ends = []
    for session in (2, 3):  # twice from the same checkpoint: nothing else decides what comes of it
        again = begin(home, session=session, checkpoint=forgotten, limits__steps=8)
        if session == 2:
            assert answer(again) != "0341 480 2291"
        goodbye = again.finish()
        assert goodbye.checkpoint is not None
        ends.append(weights_hash(home.checkpoints / goodbye.checkpoint))
    assert ends[0] == ends[1]
    older = [path for path in home.checkpoints.iterdir() if "bakery" in (path / "state.json").read_text()]
    assert standing_anywhere(home, but=tuple(older)) == []


def test_an_older_checkpoint_of_the_run_and_a_fork_of_it_do_not_bring_it_back(home: Home) -> None:
    trainer = taught(home)
    trainer.order("checkpoint")
    old = newest(home.checkpoints)
    forget(trainer, text=SECRET)
    trainer.order("stop")
    trainer.finish()
    assert b"0341 480 2291" in b"".join(
        tensor.numpy().tobytes() for tensor in load(content(old / "tables.safetensors.gz")).values()
    )
    fork = begin(home, run_id="r-fork", fork_of="r-test", checkpoint=old, fall_back=False)
    assert answer(fork) != "0341 480 2291"
    assert any("is forgotten again" in event["message"] for event in fork.events)
    fork.order("stop")
    goodbye = fork.finish()
    assert goodbye.checkpoint is not None
    assert standing_anywhere(home, but=(old, *_saved_before(home, old))) == []
    # Fallen back to after damage, in the same run.
    back = begin(home, session=2, checkpoint=old)
    assert answer(back) != "0341 480 2291"
    back.order("stop")
    back.finish()


def _saved_before(home: Home, old: Path) -> list[Path]:
    step = json.loads((old / "state.json").read_text())["step"]
    return [
        path
        for path in home.checkpoints.iterdir()
        if json.loads((path / "state.json").read_text())["step"] <= step and path != old
    ]


def test_the_receipt_keeps_the_text_no_longer_than_a_checkpoint_of_before(home: Home) -> None:
    trainer = taught(home, checkpoint__keep_latest=1, checkpoint__keep_hourly=0, checkpoint__keep_daily=0)
    forget(trainer, text=SECRET)
    for _ in range(3):
        step = trainer.step
        trainer.receive_until(lambda seen, step=step: seen.step > step)
        trainer.order("checkpoint")
    trainer.order("stop")
    trainer.finish()
    (receipt,) = Receipts(home.replay / "r-test").all()
    kept = [path for path in home.checkpoints.iterdir() if _sequence(path) < receipt.saved]
    assert receipt.state == ERASED
    assert (receipt.text is None) == (not kept)
    assert receipt.sha256 == hashlib.sha256(SECRET.encode()).hexdigest()


def _sequence(path: Path) -> int:
    sequence: int = json.loads((path / "MANIFEST.json").read_text())["sequence"]
    return sequence


def test_pushed_text_and_a_time_are_forgotten_too_and_what_means_nothing_is_refused(home: Home) -> None:
    trainer = begin(home)
    trainer.receive_until(lambda seen: seen.step >= 5)
    trainer.order("pause")
    since = trainer.outcomes["c0-pause"].step
    trainer.order("feed", text=f"{SECRET}\n")
    for wanted, why in (
        ({"source": "nowhere"}, "no source is called 'nowhere'; it has read"),
        ({"text": "  a b  "}, "3 bytes would be found everywhere"),
        ({"since_step": 10**6}, "nothing was read since"),
        ({}, "one thing at a time"),
    ):
        outcome = trainer.order("forget", **wanted)
        assert (outcome.ok, outcome.conflict) == (False, True)
        assert why in str(outcome.error)
    result = forget(trainer, source="pushed").result
    assert result["pushed_texts"] == 1
    assert standing_anywhere(home) == []
    assert [entry.kind for entry in Journal(home.replay / "r-test").entries] == ["void", "forget"]
    trainer.order("continue")
    step = trainer.step
    trainer.receive_until(lambda seen: seen.step > step + 5)
    rows = forget(trainer, since_step=since).result
    assert rows["rows"] > 0
    assert not rows["memory_emptied"]
    trainer.order("stop")
    assert trainer.finish().error is None
