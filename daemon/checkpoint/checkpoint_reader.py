"""Loading: every hash first, then the tensors; from the newest to the oldest of a run until one is sound."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brain.errors import NewerVersionError, SettingsError
from brain.upgrades import SPEC
from daemon.checkpoint import tensor_file
from daemon.checkpoint.base_weights import load_base
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.damage import set_aside
from daemon.checkpoint.manifest import (
    LEARNING,
    MODEL,
    SLOTS,
    STATE,
    TABLES,
    DefectError,
    Manifest,
    NewerFormatError,
    check_file,
    read_manifest,
    unreadable,
)
from daemon.checkpoint.snapshot import RANDOM_PREFIX
from daemon.errors import CheckpointError, NoCheckpointError

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.memory.selection import Selection
    from brain.packing import Packed
    from brain.ports import Base
    from daemon.checkpoint.retention import CheckpointInfo
    from daemon.events import Event


@dataclass(frozen=True, kw_only=True)
class LoadedCheckpoint:
    """A checkpoint in memory, on the CPU; the fields of Snapshot as they were saved.

    Attributes:
        path: the directory or `.pt` file it came from.
        manifest: what it is, its architecture brought up to today's form.
        model: weights and buffers by name; tied names share one tensor.
        learning: optimizer moments, carried state, windows of vital signs.
        random: states of random generators, uint8.
        arrays: the replay slot table and the like.
        state: cursor, growth history, resolved config …
        replay_rows: blocks of replayed items as columns of equal length; only a `.pt` carries them.
        missing: what a `.pt` does not carry, so that it starts over; one phrase each.
        base: the weights it stands on that never change; None without any.
        tables: names in `learning` of those that stood in a file of their own.
        forgotten: what was taken out of it after loading, because its run was told to forget it; but for replayed rows.
        packed: its weights as they are stored, of a packed file, which holds nothing else.
    """

    path: Path
    manifest: Manifest
    model: Mapping[str, Tensor]
    learning: Mapping[str, Tensor]
    random: Mapping[str, Tensor]
    arrays: Mapping[str, NDArray[Any]]
    state: Mapping[str, Any]
    replay_rows: Sequence[Mapping[str, Tensor]] = ()
    missing: tuple[str, ...] = ()
    base: Base | None = None
    tables: frozenset[str] = frozenset()
    forgotten: tuple[Selection, ...] = ()
    packed: Packed | None = None


def load(path: Path) -> LoadedCheckpoint:
    """Verify every file of the checkpoint directory `path`, then read it.

    Raises:
        TornCheckpointError: anything differs from what was committed; says which to resume instead.
        CheckpointError: it cannot be read for another reason.
    """
    try:
        return _load(path)
    except DefectError as defect:
        raise DefectError(path, defect.defect, _advice(path)) from None


def load_newest(
    catalogue: Catalogue,
    run_id: str | None = None,
    *,
    start: Path | None = None,
    emit: Callable[[Event], None],
) -> LoadedCheckpoint:
    """The newest sound checkpoint of a run; damaged ones on the way are set aside, each with an event.

    Args:
        catalogue: where to look.
        run_id: the run; None means the one saved last.
        start: begin at this one and go to older ones only.
        emit: takes CheckpointSetAside events.

    Raises:
        NoCheckpointError: the run has no sound checkpoint (any more); nothing was deleted.
        CheckpointError: the newest could not be read, and not because it is damaged.
    """
    kept_as: list[str] = []

    def drop(defect: DefectError) -> None:
        try:
            kept_as.append(set_aside(catalogue, defect, emit))
        except OSError as error:  # read-only, or in use on Windows: it stays, and is passed over
            logger.warning("%s could not be set aside: %s", defect.path, error)
            kept_as.append(defect.path.name)

    for info in _candidates(catalogue, run_id, start, drop):
        try:
            return load(info.path)
        except DefectError as defect:
            drop(defect)
    whose = f" of run {run_id}" if run_id else ""
    kept = f" Damaged ones were kept as {', '.join(kept_as)}." if kept_as else ""
    raise NoCheckpointError(
        f"No sound checkpoint{whose} in {catalogue.folder}.{kept} Choose another: synapsed checkpoints; "
        "or start over: synapsed start"
    )


def _candidates(
    catalogue: Catalogue, run_id: str | None, start: Path | None, drop: Callable[[DefectError], None]
) -> list[CheckpointInfo]:
    known = {info.name: info for info in catalogue.list()}
    # A torn manifest hides its run, so such a checkpoint stands in everybody's way.
    for defect in catalogue.torn():
        drop(defect)
    if start is not None and start.name in known:
        first = known[start.name]
        return [first, *catalogue.older(first)]
    chosen = run_id if run_id is not None else next(iter(catalogue.runs()), None)
    found = catalogue.list(chosen) if chosen is not None else []
    hindrance = catalogue.hindered(since=found[0].manifest.created if found else 0.0)
    if hindrance is not None:  # else learning would go back in silence
        raise hindrance
    return found


def _load(path: Path) -> LoadedCheckpoint:
    manifest = read_manifest(path)
    for name in manifest.names:
        check_file(path, name, manifest.files[name])
    manifest = with_spec_of_today(path, manifest)
    model = _tensors(path, MODEL)
    for first, *others in manifest.tied:
        if first not in model:
            raise DefectError(path, f"{MODEL} lacks {first}")
        model.update(dict.fromkeys(others, model[first]))
    learning = _tensors(path, LEARNING)
    tables = _tensors(path, TABLES) if TABLES in manifest.files else {}
    learning |= tables
    return LoadedCheckpoint(
        path=path,
        manifest=manifest,
        model=model,
        learning={name: tensor for name, tensor in learning.items() if not name.startswith(RANDOM_PREFIX)},
        random={
            name.removeprefix(RANDOM_PREFIX): tensor
            for name, tensor in learning.items()
            if name.startswith(RANDOM_PREFIX)
        },
        arrays={name: tensor.numpy() for name, tensor in _tensors(path, SLOTS).items()},
        state=_state(path),
        base=None if manifest.base is None else load_base(path, manifest.base),
        tables=frozenset(tables),
    )


def with_spec_of_today(path: Path, manifest: Manifest) -> Manifest:
    """The manifest with its architecture in the form that brains read now.

    Raises:
        NewerFormatError: a later synapsed stored it.
        CheckpointError: it is not what its version says. Its files are what was saved, so it is no damage.
    """
    try:
        spec = SPEC.brought_up(manifest.spec, origin=f"checkpoint {path.name}") if manifest.spec else {}
    except NewerVersionError as error:
        raise NewerFormatError(str(error)) from error
    except SettingsError as error:
        raise CheckpointError(f"{error}. Choose another: synapsed checkpoints") from error
    return dataclasses.replace(manifest, spec=spec)


def _tensors(path: Path, name: str) -> dict[str, Tensor]:
    try:
        return tensor_file.read(path / name)
    except tensor_file.TensorFileError as error:
        raise DefectError(path, f"{name}: {error}") from None
    except OSError as error:
        raise unreadable(path, name, error) from error


def _state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads((path / STATE).read_bytes())
    except (ValueError, RecursionError):
        raise DefectError(path, f"{STATE} is not readable") from None
    except OSError as error:
        raise unreadable(path, STATE, error) from error
    if not isinstance(state, dict):
        raise DefectError(path, f"{STATE} is not an object")
    return state


def _advice(path: Path) -> str:
    catalogue = Catalogue(path.parent)
    known = {info.name: info for info in catalogue.list()}
    if path.name in known:
        before = catalogue.older(known[path.name])
        if before:
            return f"Resume the one before it: synapsed resume {before[0].name}"
    elif known:
        return f"Resume the newest one: synapsed resume {next(iter(known))}"
    return "There is none before it. Start over: synapsed start"
