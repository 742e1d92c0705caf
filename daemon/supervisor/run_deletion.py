"""Deleting all that a run has: its checkpoints, its memories, its rows.

A mark on the disk comes first and goes last, so a deletion that was cut short is finished at the next start.
Memories that a fork still replays stay for it; they go once no checkpoint refers to them any more.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.checkpoint.manifest import read_manifest
from daemon.checkpoint.replay_references import drop_all, needed_segments, replayed_folders
from daemon.checkpoint.run_lock import LOCK, RunLock
from daemon.errors import CheckpointError, ConflictError, DaemonError, UsageError
from daemon.events import RunDeleted
from daemon.system.durable import remove_durably, sync_directory, write_whole
from daemon.system.escaping import typeable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.home import Home
    from daemon.store.store import Store
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_rows import RunRows

logger = logging.getLogger(__name__)

MARK_PREFIX = ".deleting-"


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """What a run has on the disk.

    Attributes:
        checkpoints: names, newest first.
        pinned: names of those that are pinned.
        damaged: paths of those set aside as damaged.
        num_bytes: of all its checkpoints that are sound.
        replayed_by: forks that replay some of its memories.
    """

    checkpoints: tuple[str, ...]
    pinned: tuple[str, ...]
    damaged: tuple[Path, ...]
    num_bytes: int
    replayed_by: tuple[str, ...]


class RunDeletion:
    """Deletes runs from disk and store; every method touches the disk, so the event loop calls it in a thread."""

    def __init__(self, home: Home, store: Store, checkpoints: RunCheckpoints) -> None:
        self._home = home
        self._store = store
        self._checkpoints = checkpoints

    def belongings(self, run_id: str) -> Belongings:
        """What a run has on the disk."""
        catalogue = self._checkpoints.catalogue
        infos = catalogue.list()
        own = [info for info in infos if info.manifest.run_id == run_id]
        folders = replayed_folders(info.manifest for info in infos)
        return Belongings(
            checkpoints=tuple(info.name for info in own),
            pinned=tuple(info.name for info in own if info.pinned),
            damaged=tuple(path for path in catalogue.kept_aside() if _run_of(path) == run_id),
            num_bytes=sum(info.size_bytes for info in own),
            replayed_by=tuple(run for run, names in folders.items() if run != run_id and run_id in names),
        )

    def delete(self, run_id: str, name: str, *, pinned_too: bool = False) -> RunDeleted:
        """Delete a run, unless something that belongs to it is still needed.

        Raises:
            ConflictError: it has pinned checkpoints, a trainer still holds it, or another run is about to resume
                one of its checkpoints.
            OSError, DaemonError: it could not be fully deleted.
        """
        has = self.belongings(run_id)
        if has.pinned and not pinned_too:
            raise ConflictError(
                f"{run_id} has pinned checkpoints ({', '.join(has.pinned)}); unpin them, or allow deleting them too"
            )
        for waiting, checkpoint in self._checkpoints.holds.by_run().items():
            if checkpoint in has.checkpoints and waiting != run_id:
                raise ConflictError(
                    f"{waiting} is about to resume {checkpoint} of {run_id}; stop that run first"
                )
        return self._carry_out(run_id, name)

    def unfinished(self) -> list[str]:
        """Runs whose deletion was begun in an earlier life of the daemon."""
        marks = sorted(self._home.replay.glob(f"{MARK_PREFIX}*"))
        return [mark.name.removeprefix(MARK_PREFIX) for mark in marks]

    def finish(self, run_id: str) -> RunDeleted | None:
        """Finish a deletion that was cut short; None where that cannot be done now, which is logged."""
        try:
            mark = self._home.replay / f"{MARK_PREFIX}{run_id}"
            return self._carry_out(run_id, str(json.loads(mark.read_bytes())["name"]))
        except (DaemonError, OSError, ValueError, LookupError, TypeError) as error:
            logger.warning("the deletion of %s is not finished: %s", run_id, error)
            return None

    def _carry_out(self, run_id: str, name: str) -> RunDeleted:
        """Delete all of a run, whatever part of it is there still."""
        home, catalogue = self._home, self._checkpoints.catalogue
        folder = home.replay / run_id
        has = self.belongings(run_id)
        with RunLock(home.root, run_id):  # an orphaned trainer may still save
            marked = _mark(home, run_id, name)
            for checkpoint in reversed(has.checkpoints):  # the newest last
                catalogue.remove(checkpoint)
                marked = marked or _mark(home, run_id, name)  # now there may be room for it
            for path in has.damaged:
                remove_durably(path)
            freed = has.num_bytes + self._drop_memories(folder)
        (folder / LOCK).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
        self._store.remove_run(run_id)
        self._checkpoints.holds.release(run_id)
        _unmark(home, run_id)
        return RunDeleted(
            run=run_id,
            name=name,
            num_checkpoints=len(has.checkpoints),
            freed_bytes=freed,
            kept_for=has.replayed_by,
        )

    def _drop_memories(self, folder: Path) -> int:
        """Delete what a run remembers, but for what checkpoints of others refer to; bytes that became free."""
        try:
            needed = needed_segments(self._checkpoints.catalogue).get(folder.name, set())
        except CheckpointError as error:  # one cannot be read: what it needs is unknown
            logger.warning("the memories of %s stay for now: %s", folder.name, error)
            return 0
        return drop_all(folder, needed)


@dataclass(frozen=True, kw_only=True)
class OfflineHome:
    """Runs and checkpoints of a home in which no daemon lives: so no run is alive, but for an orphaned trainer."""

    rows: RunRows
    checkpoints: RunCheckpoints
    store: Store
    deletion: RunDeletion

    def delete(self, run_id: str, *, confirm: str, pinned_too: bool = False) -> RunDeleted:
        """Delete a run permanently.

        Raises:
            NotFoundError: there is no such run.
            UsageError: what was typed is neither its name nor its id.
            ConflictError: as RunDeletion.delete.
        """
        run = self.rows.load(run_id)
        if run is None:
            raise self.rows.missing(run_id)
        check_typed(run, confirm)
        deleted = self.deletion.delete(run_id, run.name, pinned_too=pinned_too)
        self.store.add_event(deleted.record())
        return deleted


@contextlib.contextmanager
def without_daemon(home: Home) -> Iterator[OfflineHome]:
    """A home in which no daemon lives, locked while this lasts.

    Raises:
        HomeBusyError: one does.
        DaemonError: the database cannot be opened.
    """
    from daemon.checkpoint.catalogue import Catalogue  # noqa: PLC0415 - the daemon has them already
    from daemon.store.store import Store  # noqa: PLC0415
    from daemon.supervisor.run_checkpoints import RunCheckpoints  # noqa: PLC0415
    from daemon.supervisor.run_rows import RunRows  # noqa: PLC0415

    with home.lock(), Store.open(home.database) as store:
        checkpoints = RunCheckpoints(store, Catalogue(home.checkpoints))
        yield OfflineHome(
            rows=RunRows(store, monotonic=time.monotonic),
            checkpoints=checkpoints,
            store=store,
            deletion=RunDeletion(home, store, checkpoints),
        )


def check_typed(run: LiveRun, confirm: str) -> None:
    """Compare what a person typed with the run's name and id.

    Raises:
        UsageError: it is neither.
    """
    if confirm not in {run.name, run.id} and (not confirm or typeable(confirm) != typeable(run.name)):
        raise UsageError(
            f"confirm = {confirm!r}: type the run's name ({run.name}) or its id ({run.id}) to delete it",
            path="confirm",
        )


def _mark(home: Home, run_id: str, name: str) -> bool:
    try:
        write_whole(home.replay / f"{MARK_PREFIX}{run_id}", json.dumps({"name": name}).encode())
    except OSError as error:
        # A disk that is full to the last byte: what is deleted first makes room for the mark.
        logger.warning("the deletion of %s is not marked: %s", run_id, error)
        return False
    return True


def _unmark(home: Home, run_id: str) -> None:
    (home.replay / f"{MARK_PREFIX}{run_id}").unlink(missing_ok=True)
    sync_directory(home.replay)


def _run_of(path: Path) -> str | None:
    try:
        return read_manifest(path).run_id
    except CheckpointError:
        return None
