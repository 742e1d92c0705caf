"""What a person had forgotten does not come back, whatever happens in between; and nothing else is lost."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.memory import erasing
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.run_lock import RunLock
from daemon.erasing_receipts import ERASED, ORDERED, Receipt, Receipts
from daemon.errors import CheckpointError, ConflictError
from daemon.journal import Journal
from daemon.orders import Feed, Forget
from daemon.trainer.checkpoints.restoring import BESIDE_BRAIN
from daemon.trainer.erasing.from_checkpoint import edit_of, erased_from
from daemon.trainer.offline.erase_stopped import erase
from daemon.trainer_protocol import Command, Outcome
from tests.full_disk import FailingDisk
from tests.still_loop import StillLoop

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

pytestmark = pytest.mark.faults

SECRET = "Jolanda answers the bakery's telephone at 0341 480 2291 before noon, on weekdays only."
SETTINGS: dict[str, Any] = {"sample__max_bytes": 0}


class Died(BaseException):
    """The trainer is gone in the middle."""


class Life(StillLoop):
    """A loop that a test moves, and orders about."""

    def ordered(self, order: Feed | Forget) -> Outcome:
        return self.parts.control.obey(Command(id="o", order=order))

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.learn()
            self.parts.effects.apply_due()

    def resumed(self) -> Life:
        """As a session begins."""
        self.parts.effects.apply_due()
        self.parts.erasing.begin()
        return self

    def fingerprint(self) -> str:
        state, digest = self.parts.brain.state(), hashlib.sha256()
        for name, tensor in sorted({**state.model, **state.learning}.items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        return digest.hexdigest()

    def die(self) -> None:
        """Without a save."""
        self.parts.saver.close()
        self.ours.close()


def run_with_secret(home: Home, **settings: Any) -> Life:
    """A run that has read the secret."""
    life = Life(home, **SETTINGS | settings)
    life.steps(2)
    assert life.ordered(Feed(text=f"{SECRET}\n")).ok
    life.steps(12)
    life.parts.replay.commit()
    assert standing(home)
    return life


def after(home: Home, checkpoint: str, session: int = 2) -> Life:
    return Life(home, session=session, checkpoint=home.checkpoints / checkpoint, **SETTINGS)


def standing(home: Home, run: str = "r-test") -> list[Path]:
    """Files of the replay folder in which a piece of the secret stands; receipts aside."""
    files = [path for path in (home.replay / run).iterdir() if path.is_file()]
    return [path for path in files if b"0341 480" in path.read_bytes() or b"telephone" in path.read_bytes()]


def receipts(home: Home) -> Receipts:
    return Receipts(home.replay / "r-test")


def sound(life: Life) -> bool:
    """Nothing of it is drawn any more."""
    text = b"".join(rows.bytes.tobytes() for rows in life.parts.replay.items(1000))
    return b"0341 480" not in text and not life.parts.stream.cursor().pushed


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="the trainer is killed after the order is journaled, before a checkpoint holds the run without it",
    happens="resumed from the checkpoint before, it is erased at once, on disk too, and forgotten again at its step",
)
def test_killed_before_the_checkpoint_it_is_erased_at_the_next_start_and_again_at_its_step(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = run_with_secret(home)
    first = life.parts.saver.newest()
    with monkeypatch.context() as patch:
        patch.setattr(
            type(life.parts.saver), "save", lambda *_: (_ for _ in ()).throw(CheckpointError("full"))
        )
        outcome = life.ordered(Forget(text=SECRET))
        assert outcome.ok
        assert outcome.result["on_disk"] is False
        assert outcome.result["why_not"] == "full"
        life.steps(4)
        step = life.step
        life.die()
    assert standing(home)
    assert receipts(home).all()[0].state == ORDERED
    again = after(home, first).resumed()
    assert standing(home) == []
    assert receipts(home).all()[0].state == ERASED
    again.steps(1)
    again.let_go()  # before the step of the order
    third = after(home, again.parts.saver.newest(), session=3).resumed()
    third.steps(step - third.step)
    assert not third.parts.effects.catch_up()  # nothing waits any more
    assert sound(third)
    assert standing(home) == []
    assert receipts(home).all()[0].state == ERASED
    third.let_go()


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="the trainer is killed before the order's checkpoint, and the run is to forget while it is stopped",
    happens="both orders are carried out, text that waits in the journal included; what else waits takes effect later",
)
def test_a_run_that_stands_still_forgets_though_its_journal_waits(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(home, **SETTINGS)
    life.parts.saver.save_first()
    assert life.ordered(Feed(text="Another text, fed at the same step and forgotten by nobody.")).ok
    life.steps(2)
    assert life.ordered(Feed(text=f"He knows: {SECRET}\n")).ok
    life.steps(3)
    with monkeypatch.context() as patch:
        patch.setattr(
            type(life.parts.saver), "save", lambda *_: (_ for _ in ()).throw(CheckpointError("full"))
        )
        assert life.ordered(Forget(text=SECRET)).ok
        life.die()
    answer, _ = erase(home, "r-test", text="He knows: ")
    assert answer["pushed_texts"] == 1
    assert [one.state for one in receipts(home).all()] == [ERASED, ERASED]
    assert standing(home) == []
    again = after(home, answer["checkpoint"]).resumed()
    assert again.parts.stream.cursor().pushed_texts == 1
    again.steps(6)
    assert not again.parts.effects.catch_up()
    assert standing(home) == []
    again.let_go()


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="the trainer is killed between the checkpoint without it and each write that erases it on disk",
    happens="the next start finishes the erasing; then replay and journal contain nothing of it",
)
@pytest.mark.parametrize("moment", ["list", "zeros", "journal", "receipt"])
def test_killed_in_the_middle_of_erasing_it_is_finished_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    life = run_with_secret(home)

    def dies(*_: object, **__: object) -> None:
        raise Died

    owner: Any = {"list": erasing, "zeros": erasing, "journal": Journal, "receipt": Receipts}[moment]
    name = {"list": "_write_list", "zeros": "overwrite", "journal": "redact", "receipt": "seal"}[moment]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dies)
        with pytest.raises(Died):
            life.ordered(Forget(text=SECRET))
    newest = life.parts.saver.newest()
    life.die()
    again = after(home, newest)
    assert sound(again)
    again.resumed()
    assert standing(home) == []
    (receipt,) = receipts(home).all()
    assert (receipt.state, receipt.reported) == (ERASED, True)
    assert sum(event["kind"] == "experience_forgotten" for event in again.events()) == 1


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="the disk is full when it is ordered, and when its checkpoint is to be saved",
    happens="refused with the reason, nothing changed; or erased from memory at once, from disk once there is room",
)
def test_a_full_disk_refuses_it_or_puts_the_erasing_off(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    life = run_with_secret(home)
    before = life.fingerprint()
    disk = FailingDisk(monkeypatch, "checkpoint")
    refused = life.ordered(Forget(text=SECRET))
    assert (refused.ok, life.fingerprint()) == (False, before)
    assert "Nothing was forgotten" in str(refused.error)
    assert receipts(home).all() == []
    assert len(life.parts.journal.entries) == 1
    disk.mend()
    save = type(life.parts.saver).save
    with monkeypatch.context() as patch:
        patch.setattr(
            type(life.parts.saver), "save", lambda *_: (_ for _ in ()).throw(CheckpointError("full"))
        )
        assert life.ordered(Forget(text=SECRET)).result["on_disk"] is False
        assert sound(life)
        life.steps(1)
        assert standing(home)
    assert type(life.parts.saver).save is save
    life.steps(1)
    assert standing(home) == []
    assert receipts(home).all()[0].state == ERASED
    life.let_go()


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="the checkpoint without it is damaged, so that the run falls back to an earlier one",
    happens="it is erased from that one when it is loaded, and again at its step; all else is fed again",
)
def test_falling_back_behind_it_does_not_bring_it_back(home: Home) -> None:
    life = run_with_secret(home)
    old = life.parts.saver.save("manual")
    assert life.ordered(Forget(text=SECRET)).result["on_disk"] is True
    life.steps(3)
    life.die()
    back = after(home, old)
    assert sound(back)
    back.resumed()
    back.steps(6)
    assert sound(back)
    assert standing(home) == []
    assert any("is forgotten again" in event["message"] for event in back.events())


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="a fork that replays the parent's rows is alive, or its trainer holds the run that is to forget",
    happens="refused in one line that names it; nothing is forgotten in part",
)
def test_a_fork_that_is_alive_hinders_it_and_says_so(home: Home) -> None:
    life = run_with_secret(home)
    old = life.parts.saver.save("manual")
    fork = Life(home, run_id="r-fork", fork_of="r-test", checkpoint=home.checkpoints / old, **SETTINGS)
    with RunLock(home.root, "r-fork"):
        refused = life.ordered(Forget(text=SECRET))
    assert (refused.ok, refused.conflict) == (False, True)
    assert "r-fork is alive" in str(refused.error)
    assert receipts(home).all() == []
    fork.die()
    result = life.ordered(Forget(text=SECRET)).result
    assert result["others"] == ["r-fork"]
    assert standing(home) == []
    newest = max(path.name for path in home.checkpoints.iterdir() if path.name != life.parts.saver.newest())
    life.let_go()
    # The fork continues with what is left; its own text is forgotten by an order to the fork.
    again = Life(home, run_id="r-fork", session=2, checkpoint=home.checkpoints / newest, **SETTINGS)
    assert sound(again)
    again.die()
    with RunLock(home.root, "r-test"), pytest.raises(ConflictError, match="still held"):
        erase(home, "r-test", text=SECRET)


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="a stopped run is to forget with a full disk, then with room; then it is resumed",
    happens="nothing is forgotten without a checkpoint that holds it; then the run resumes from a new one",
)
def test_a_run_that_stands_still_forgets_on_its_newest_checkpoint(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = run_with_secret(home)
    life.let_go()
    text = f"{SECRET}\n"
    answer, event = erase(home, "r-test", text=text, dry_run=True)
    assert (answer["receipt"], event) == (None, None)
    disk = FailingDisk(monkeypatch, "checkpoint")
    with pytest.raises(CheckpointError, match="Nothing was forgotten"):
        erase(home, "r-test", text=text)
    disk.mend()
    assert receipts(home).all() == []
    answer, event = erase(home, "r-test", text=text)
    assert event is not None
    assert event["data"]["rows"] == answer["rows"] > 0
    assert answer["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert standing(home) == []
    again = after(home, answer["checkpoint"])
    assert sound(again)
    again.resumed()
    again.steps(2)
    again.let_go()


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="as many checkpoints are kept as there are, and the oldest is from before the text was read",
    happens="the checkpoint of the order does not prune it, so the answer names it; the next one may",
)
@pytest.mark.parametrize("alive", [True, False])
def test_the_way_back_survives_the_checkpoint_of_the_order(home: Home, alive: bool) -> None:
    latest = 1 if alive else 2  # the one it stands still on is another
    rules = {"checkpoint__keep_latest": latest, "checkpoint__keep_hourly": 0, "checkpoint__keep_daily": 0}
    life = Life(home, **SETTINGS, **rules)
    before = life.parts.saver.save("manual")
    life.steps(1)
    assert life.ordered(Feed(text=f"{SECRET}\n")).ok
    life.steps(8)
    if alive:
        answer = life.ordered(Forget(text=SECRET)).result
    else:
        life.let_go()
        answer, _ = erase(home, "r-test", text=SECRET)
    assert answer["before"]["checkpoint"] == before
    assert not (home.checkpoints / before / "PINNED").exists()
    if alive:
        life.let_go()


@pytest.mark.fault(
    "Forgetting on purpose",
    tried="a checkpoint forgets in the middle of a sleep, of a trial of growth, with vital signs and an exact memory",
    happens="all other state in it is kept, and tables stay in a file of their own",
)
def test_what_stands_beside_the_brain_is_kept(home: Home) -> None:
    run_with_secret(home, brain__hippocampus_mib=20).let_go()
    found, _ = erase(home, "r-test", text=SECRET, dry_run=True)
    loaded = load_newest(Catalogue(home.checkpoints), "r-test", emit=lambda _: None)
    beside = {f"{prefix}model|x": torch.ones(2) for prefix in BESIDE_BRAIN}
    twice = {"sleep|learning|hippocampus|past": torch.ones(2)}  # as older ones held it
    loaded = dataclasses.replace(loaded, learning={**loaded.learning, **beside, **twice})
    receipt = Receipt(
        run="r-test", number=9, step=14, time="", kind="text", asked="a text", text=SECRET.encode()
    )
    left, _ = erased_from(loaded, receipt, edit_of(receipt, ()))
    assert left.learning.keys() == loaded.learning.keys() - twice.keys()
    answer, _ = erase(home, "r-test", text=SECRET)
    saved = home.checkpoints / answer["checkpoint"]
    assert (answer["memory_bytes"], answer["memory_contexts"]) == (
        found["memory_bytes"],
        found["memory_contexts"],
    ), "the dry run counted the same"
    assert answer["memory_contexts"] > 0
    assert load(saved).tables == loaded.tables != frozenset()
