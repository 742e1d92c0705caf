"""What a run was told to forget is taken out of a checkpoint that was saved before, each time one is loaded."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import torch

from brain.build import brain_from_spec
from brain.capabilities import Forgetful
from brain.memory.passages import spans
from daemon.config.loading import config_from_dict
from daemon.erasing_receipts import Receipts
from daemon.journal import Journal
from daemon.streams.cursor import Cursor
from daemon.streams.pushed import cursor_edited
from daemon.streams.sources import PUSHED
from daemon.trainer.checkpoints.restoring import (
    BESIDE_BRAIN,
    PROBES_PREFIX,
    SLEEP_PREFIX,
    brain_state,
    parts_of,
)
from daemon.trainer.measures.frozen_probes import stored_without
from daemon.trainer.state.sleep_state import AWAKE
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from torch import Tensor

    from brain.capabilities import Forgotten
    from brain.ports import Brain
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint
    from daemon.erasing_receipts import Receipt
    from daemon.streams.pushed import Edit

logger = logging.getLogger(__name__)

# An older checkpoint that was saved in a sleep held the exact memory twice.
HELD_TWICE = tuple(f"{SLEEP_PREFIX}{prefix}" for prefix in AWAKE)


def without_erased(
    loaded: LoadedCheckpoint, replay: Path, report: Callable[[str], object] = lambda _: None
) -> LoadedCheckpoint:
    """A checkpoint without what its run was told to forget after it was saved.

    Args:
        loaded: as it was saved.
        replay: the home's folder of replay, with the receipts of its run.
        report: takes a line for each receipt that applies again.

    Raises:
        CheckpointError: a receipt cannot be read.
    """
    lacking = Receipts(replay / loaded.manifest.run_id).lacking(loaded.manifest)
    for receipt in lacking:
        loaded, _ = erased_from(loaded, receipt, pushed_by(receipt, replay / loaded.manifest.run_id))
        report(
            f"{loaded.path.name} was saved before {receipt.what} was forgotten at step {receipt.step:,}; "
            "that is forgotten again"
        )
    return dataclasses.replace(loaded, forgotten=tuple(receipt.selection for receipt in lacking))


def erased_from(
    loaded: LoadedCheckpoint, receipt: Receipt, pushed: Edit
) -> tuple[LoadedCheckpoint, Forgotten | None]:
    """A checkpoint after an order to forget, but for its replayed rows; and what its brain gave up."""
    selection, source = receipt.selection, receipt.asked if receipt.kind == "source" else ""
    learning, forgotten = _learning_without(loaded, receipt)
    loop: dict[str, Any] = dict(loaded.state.get("loop", {}))
    arrays = {name: one for name, one in loaded.arrays.items() if not name.startswith(PROBES_PREFIX)}
    if "probes" in loop:
        stored = parts_of(loaded.arrays, PROBES_PREFIX)
        loop["probes"], kept = stored_without(loop["probes"], stored, selection, source)
        arrays |= {f"{PROBES_PREFIX}{name}": array for name, array in kept.items()}
    if loop.get("cursor"):
        loop["cursor"] = cursor_edited(Cursor.from_json(loop["cursor"]), pushed).to_json()
        loop["due_resets"] = list(range(len(loop["cursor"]["lanes"])))
    state = {**loaded.state, "loop": loop}
    return dataclasses.replace(loaded, learning=learning, arrays=arrays, state=state), forgotten


def found_in_brain(loaded: LoadedCheckpoint, receipt: Receipt) -> Forgotten | None:
    """What the exact memory of a checkpoint would give up; None without one."""
    brain = _brain_of(loaded)
    return brain.forget(receipt.selection, dry_run=True) if isinstance(brain, Forgetful) else None


def _learning_without(
    loaded: LoadedCheckpoint, receipt: Receipt
) -> tuple[Mapping[str, Tensor], Forgotten | None]:
    """What the brain keeps beside its weights, after it forgot."""
    if not isinstance(brain := _brain_of(loaded), Forgetful):
        return loaded.learning, None
    forgotten = brain.forget(receipt.selection)
    others = {
        name: tensor
        for name, tensor in loaded.learning.items()
        if name.startswith(BESIDE_BRAIN) and not name.startswith(HELD_TWICE)
    }
    own = {name: tensor.clone() for name, tensor in brain.state().learning.items()}
    return {**own, **others}, forgotten


def _brain_of(loaded: LoadedCheckpoint) -> Brain:
    config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
    brain = brain_from_spec(
        loaded.manifest.spec,
        optimizer=config.optimizer,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        device=torch.device("cpu"),
        seed=config.seed,
    )
    brain.load(brain.adopt(brain_state(loaded))[0])
    return brain


def pushed_by(receipt: Receipt, folder: Path) -> Edit:
    """How an order to forget changes pushed texts of the run in that replay folder."""
    if receipt.kind != "since":
        return edit_of(receipt, ())
    dated = [one.sequence for one in Journal(folder).entries if one.step >= (receipt.since or 0)]
    return edit_of(receipt, dated)


def edit_of(receipt: Receipt, dated: Collection[int]) -> Edit:
    """The same, where the numbers of the texts that came since are known."""

    def edit(number: int, text: bytes) -> bytes | None:
        if receipt.kind == "source":
            return None if receipt.asked == PUSHED else text
        if receipt.kind == "since":
            return None if number in dated else text
        return text if receipt.text is None else blanked(text, receipt.text)

    return edit


def blanked(data: bytes, passage: bytes) -> bytes | None:
    """A text with blanks where a passage stood, as long as before; None where nothing else is left.

    >>> blanked(b"she said open sesame, twice", b"open sesame")
    b'she said            , twice'
    """
    left = bytearray(data)
    for begin, end in spans(data, passage):
        left[begin:end] = b" " * (end - begin)
    return bytes(left) if left.strip() else None
