"""Checkpoints as what can be resumed: on disk in the catalogue, as history in the store.

Writing never waits. Reading touches the disk, so the event loop does it in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.checkpoint.damage import set_aside, set_aside_newest_run
from daemon.checkpoint.disk_cap import damaged
from daemon.checkpoint.manifest import DefectError, read_manifest
from daemon.checkpoint.resolve import PORTABLE, refuse_packed, resolve
from daemon.checkpoint.resume_holds import Holds
from daemon.checkpoint.retention import best_of, by_run
from daemon.config.setting_upgrades import config_to_dict
from daemon.config.tree import RunConfig
from daemon.errors import CheckpointError, ConflictError, NoCheckpointError
from daemon.events import CheckpointPruned, CheckpointSaved, CheckpointSetAside
from daemon.supervisor.found_checkpoint import FoundCheckpoint, stored_config
from daemon.supervisor.live_run import LiveRun, finite
from daemon.supervisor.single_file import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.retention import CheckpointInfo
    from daemon.events import Event
    from daemon.store.store import Store

GONE = (CheckpointPruned.kind(), CheckpointSetAside.kind())
Record = dict[str, Any]
Records = list[Record]


class RunCheckpoints:
    """The checkpoints of each run: listed, found, pinned, deleted."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.holds = Holds(catalogue.folder)
        self._store = store

    def follow(self, run: LiveRun | None, record: Record) -> None:
        """Follow an event about a checkpoint; others change nothing."""
        if run is not None and record["kind"] == CheckpointSaved.kind():
            self._saved(run, record)
        elif record["kind"] in GONE:
            self._store.mark_deleted(record["data"]["checkpoint"])

    def _saved(self, run: LiveRun, record: Record) -> None:
        """A trainer committed one; it hashed every byte on the way."""
        data = record["data"]
        run.checkpoint, run.checkpoint_step = data["checkpoint"], record["step"]
        path = self.catalogue.folder / data["checkpoint"]
        self.holds.release(run.id)
        self.catalogue.trust(path)
        self._store.put_checkpoint(
            data["checkpoint"],
            run=run.id,
            session=run.session,
            step=record["step"],
            samples=run.samples,
            created_at=data["timestamp"],
            reason=data["reason"],
            size_bytes=data["size_bytes"],
            bpc=finite(data["metrics"].get("bpc")),
            path=str(path),
            verified=True,
        )

    def newest_path(self, run_id: str) -> Path | None:
        """Where a restarted trainer begins; it verifies every byte itself, and falls back further if it must."""
        infos = self.catalogue.list(run_id)
        return infos[0].path if infos else None

    def listed(self, run_id: str | None) -> Records:
        """Checkpoints on disk, newest first."""
        infos = self.catalogue.list(run_id)
        best = {run: info.name for run, own in by_run(infos).items() if (info := best_of(own))}
        verified = {
            row["name"] for row in self._store.checkpoints(run_id, limit=500).items if row["verified"]
        }
        return [self._record(info, best=best, verified=verified) for info in infos]

    def one(self, name: str) -> Record:
        """One checkpoint with its manifest, after reading every byte of it, once while its files look the same.

        Raises:
            NotFoundError: there is none of that name.
        """
        info = self.catalogue.info(name)
        if info.verified is None:
            try:
                info = self.catalogue.verify(info.path)
            except CheckpointError:
                info = self.catalogue.info(name)  # its record shows the damage
        best = self.catalogue.best(info.manifest.run_id)
        record = self._record(info, best={info.manifest.run_id: best.name if best else ""}, verified=set())
        return {**record, "manifest": info.manifest.to_json()}

    def size_bytes(self) -> int:
        """Of all sound checkpoints together."""
        return sum(info.size_bytes for info in self.catalogue.list())

    def damaged(self) -> dict[str, int]:
        """Name → bytes of each that was set aside as damaged."""
        return damaged(self.catalogue)

    def delete(self, name: str) -> tuple[str, str | None]:
        """Delete a checkpoint; the run it belonged to, and the newest that run has left.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: it is pinned, or the only sound one of its run.
        """
        run_id = self.catalogue.info(name).manifest.run_id
        if waiting := [run for run, held in self.holds.by_run().items() if held == name]:
            raise ConflictError(
                f"Checkpoint {name} is about to be resumed by {waiting[0]}; stop that run first"
            )
        self.catalogue.delete(name)
        self._store.mark_deleted(name)
        left = self.newest_path(run_id)
        newest = None if left is None else left.name
        row = self._store.run(run_id)
        if row is not None and row["checkpoint"] == name:
            self._store.update_run(run_id, checkpoint=newest)
        return run_id, newest

    def pin(self, name: str, *, pinned: bool) -> Record:
        """Keep a checkpoint, or leave it to the retention rules again."""
        (self.catalogue.pin if pinned else self.catalogue.unpin)(name)
        self._store.put_checkpoint(name, pinned=pinned)
        return {key: value for key, value in self.one(name).items() if key != "manifest"}

    def find(
        self, text: str, *, by_id_only: bool = False, emit: Callable[[Event], None] = lambda _: None
    ) -> FoundCheckpoint:
        """The checkpoint a person means; a damaged one that leaves nothing to resume is set aside.

        Raises:
            NotFoundError: there is none of that name.
            CheckpointError: it cannot be read.
            UsageError: the path leads to no checkpoint.
        """
        try:
            return self._find(text, by_id_only=by_id_only)
        except DefectError as defect:
            if defect.path.resolve().parent == self.catalogue.folder.resolve():
                set_aside(self.catalogue, defect, emit)
            raise
        except NoCheckpointError:
            set_aside_newest_run(self.catalogue, emit)
            resolve(self.catalogue, text)  # raises it with the names they are kept under
            raise

    def _find(self, text: str, *, by_id_only: bool) -> FoundCheckpoint:
        path = (
            self.catalogue.path_of(text) if by_id_only and text != "latest" else resolve(self.catalogue, text)
        )
        refuse_packed(path)
        if path.suffix == PORTABLE:
            inside = describe(path)
            return FoundCheckpoint(
                name=path.name,
                path=path.resolve(),
                run=None,
                step=inside["step"],
                samples=inside["samples"],
                newest=False,
                config=inside["config"] or config_to_dict(RunConfig()),
            )
        manifest = read_manifest(path)
        at_home = path.resolve().parent == self.catalogue.folder.resolve()
        siblings = self.catalogue.list(manifest.run_id) if at_home else []
        names = [info.name for info in siblings]
        newer = siblings[: names.index(path.name)] if path.name in names else []
        # Going back because of damage is no fork: the trainer begins at the damaged one and sets it aside.
        newest = path.name in names and all(info.verified is False for info in newer)
        return FoundCheckpoint(
            name=path.name,
            path=(siblings[0].path if newest else path).resolve(),
            run=manifest.run_id if at_home else None,
            step=manifest.step,
            samples=manifest.samples,
            newest=newest,
            config=stored_config(path, self.catalogue),
        )

    def _record(self, info: CheckpointInfo, *, best: dict[str, str], verified: set[str]) -> Record:
        record = self.catalogue.record(info, best=best.get(info.manifest.run_id) == info.name)
        if record["verified"] is None:
            record["verified"] = info.name in verified
        return record
