"""What the supervisor writes down and looks up: history in the store, what can be resumed among checkpoints.

Writing never waits. Reading touches the disk, so the event loop does it in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.checkpoint.damage import set_aside, set_aside_newest_run
from daemon.checkpoint.holds import Holds
from daemon.checkpoint.manifest import DefectError, read_manifest
from daemon.checkpoint.resolve import PORTABLE, resolve
from daemon.checkpoint.retention import best_of, by_run
from daemon.config.tree import RunConfig
from daemon.config.upgrades import config_to_dict
from daemon.errors import CheckpointError, ConflictError, NoCheckpointError
from daemon.protocol import RunState
from daemon.store.forgetting_matrix import probe_losses
from daemon.supervisor.found_checkpoint import FoundCheckpoint, stored_config
from daemon.supervisor.live_run import LiveRun, finite, held_out_losses, run_from_row
from daemon.supervisor.single_file import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.retention import CheckpointInfo
    from daemon.events import Event
    from daemon.protocol import Report
    from daemon.store.store import Store
    from daemon.supervisor.operations import Operation

SAVE_EVERY_SECONDS = 1.0
SETTLE_SECONDS = 2.0
UNFINISHED = tuple(str(state) for state in RunState if not state.ended)
Record = dict[str, Any]
Records = list[Record]


class Ledger:
    """Store and checkpoint folder, in the supervisor's words."""

    def __init__(self, store: Store, catalogue: Catalogue, *, monotonic: Callable[[], float]) -> None:
        self.store = store
        self.catalogue = catalogue
        self.holds = Holds(catalogue.folder)
        self._monotonic = monotonic
        self._saved_at: dict[str, float] = {}

    def settle(self) -> None:
        """Wait until all that was written down is on disk; a stalled disk is not waited for."""
        self.store.flush(SETTLE_SECONDS)

    # -- runs ------------------------------------------------------------------------------------------------

    def create(self, run: LiveRun) -> None:
        """Add a run."""
        self.store.create_run(
            run.id,
            name=run.name,
            preset=run.config.get("preset"),
            brain=run.config.get("brain", {}).get("kind"),
            config=run.config,
            state=str(run.state),
            created_at=run.created_at,
            parent_run=run.parent["run"] if run.parent else None,
            parent_step=run.parent["step"] if run.parent else None,
        )

    def save(self, run: LiveRun) -> None:
        """Keep how a run stands."""
        self._saved_at[run.id] = self._monotonic()
        self.store.update_run(
            run.id,
            config=run.config,
            state=str(run.state),
            degraded=run.degraded is not None,
            reason=run.degraded or run.reason,
            parent_run=run.parent["run"] if run.parent else None,
            parent_step=run.parent["step"] if run.parent else None,
            started_at=run.started_at,
            ended_at=run.ended_at,
            session=run.session,
            step=run.step,
            samples=run.samples,
            training_seconds=run.training_seconds,
            device=run.device,
            num_parameters=run.num_parameters,
            num_neurons=run.num_neurons,
            latest=dict(run.latest),
            readings=dict(run.readings),
            sample=run.sample,
            sample_step=run.sample_step,
            sample_time=run.sample_time,
            sources=run.sources,
            checkpoint=run.checkpoint,
        )

    def load(self, run_id: str) -> LiveRun | None:
        """A run of an earlier life of the daemon."""
        row = self.store.run(run_id)
        if row is None:
            return None
        saved = self.store.checkpoints(run_id, limit=20).items
        steps = {checkpoint["name"]: checkpoint["step"] for checkpoint in saved}
        return run_from_row(row, checkpoint_step=steps.get(row["checkpoint"]))

    def run_views(self, cursor: str | None, limit: int) -> tuple[Records, str | None]:
        """Runs as lists show them, newest first, and where the list goes on."""
        page = self.store.runs(cursor=cursor, limit=limit)
        return [
            run_from_row({"config": {}, **row}).view(full=False) | _listed(row) for row in page.items
        ], page.next

    def newest_run_id(self) -> str | None:
        """The run created last."""
        items = self.store.runs(limit=1).items
        return str(items[0]["id"]) if items else None

    def unfinished(self) -> list[str]:
        """Runs that were not ended when the store was written last."""
        return [str(row["id"]) for row in self.store.runs(states=UNFINISHED, limit=500).items]

    # -- sessions and what they say --------------------------------------------------------------------------

    def begin_session(self, run: LiveRun) -> None:
        """A trainer is about to learn; its rows supersede those from its step on."""
        self.store.start_session(run.id, run.session, first_step=run.step + 1, resumed_from=run.checkpoint)

    def end_session(self, run: LiveRun, state: str, reason: str) -> None:
        """A trainer ended."""
        self.store.end_session(run.id, run.session, end_state=state, reason=reason or None)

    def add_report(self, run: LiveRun, report: Report) -> None:
        """Keep the numbers of a report, and now and then the totals."""
        self.store.add_columns(run.id, run.session, report.columns)
        self.store.add_points(run.id, run.session, report.points)
        self.store.add_readings(run.id, run.session, report.readings)
        self.store.add_evaluations(run.id, run.session, held_out_losses(report.points))
        self.store.add_forgetting(run.id, run.session, probe_losses(report.points))
        if self._monotonic() - self._saved_at.get(run.id, 0.0) >= SAVE_EVERY_SECONDS:
            self.save(run)

    def add_event(self, run: LiveRun | None, record: Record) -> Record:
        """Keep an event; returns it in the API's form, numbered."""
        run_id, session = (run.id, run.session) if run is not None else (None, None)
        seq = self.store.add_event(record, run=run_id, session=session)
        return {"seq": seq, "run": run_id, "session": session, **record}

    def series(
        self, run_id: str, metrics: list[str], *, start: int | None, end: int | None, points: int
    ) -> Record:
        """Curves in the API's form."""
        series = self.store.series(run_id, metrics, start=start, end=end, points=points)
        if series is None:  # created an instant ago
            columns: dict[str, list[float]] = {
                name: [] for name in ("step", "time", "min", "max", "mean", "last", "n")
            }
            return {"run": run_id, "exact": True, "resolution": 1, "metrics": dict.fromkeys(metrics, columns)}
        return series

    def evaluations(self, run_id: str, cursor: str | None, limit: int) -> tuple[Records, str | None]:
        """Held-out losses, newest first."""
        page = self.store.evaluations(run_id, cursor=cursor, limit=limit)
        return page.items, page.next

    # -- events ----------------------------------------------------------------------------------------------

    def newest_seq(self) -> int:
        """Number of the newest event."""
        return self.store.newest_seq

    def events(
        self, run_id: str | None, *, after: int | None, kind: str | None, cursor: str | None, limit: int
    ) -> tuple[Records, str | None]:
        """Events, newest first; with `after`, oldest first."""
        self.settle()  # who asks after doing something expects to see it
        page = self.store.events(run_id, after=after, kind=kind, cursor=cursor, limit=limit)
        return page.items, page.next

    def newest_events(self, limit: int, run_id: str | None) -> Records:
        """The newest events, newest first."""
        return self.store.events(run_id, limit=limit).items

    def events_after(self, seq: int, limit: int) -> Records:
        """Up to `limit` events after `seq`, oldest first."""
        items: Records = []
        while len(items) < limit:
            page = self.store.events(after=seq, limit=500)
            items += page.items
            if page.next is None:
                break
            seq = int(page.items[-1]["seq"])
        return items

    # -- operations and answers ------------------------------------------------------------------------------

    def put_operation(self, operation: Operation) -> None:
        """Keep an operation as it stands."""
        self.store.put_operation(
            operation.id,
            run=operation.run,
            action=operation.action,
            state=operation.state,
            result=operation.result,
            error=operation.error,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
        )

    def load_operation(self, operation_id: str) -> Record | None:
        """An operation of an earlier life of the daemon; what was pending then never ended."""
        row = self.store.operation(operation_id)
        if row is not None and row["state"] == "pending":
            row |= {"state": "failed", "error": "the daemon ended before it was answered"}
        return row

    def answer(self, key: str, endpoint: str) -> tuple[str, int, Any] | None:
        """What a POST with this Idempotency-Key was answered."""
        known = self.store.recall_answer(key, endpoint)
        return None if known is None else (known["body_hash"], known["status"], known["response"])

    def put_answer(self, key: str, endpoint: str, body_hash: str, status: int, response: Any) -> None:
        """Keep what a POST was answered."""
        self.store.remember_answer(key, endpoint, body_hash=body_hash, status=status, response=response)

    # -- checkpoints -----------------------------------------------------------------------------------------

    def put_checkpoint(self, run: LiveRun, record: Record) -> None:
        """A trainer committed a checkpoint; it hashed every byte on the way."""
        data = record["data"]
        self.holds.release(run.id)
        self.catalogue.trust(self.catalogue.folder / data["checkpoint"])
        self.store.put_checkpoint(
            data["checkpoint"],
            run=run.id,
            session=run.session,
            step=record["step"],
            samples=run.samples,
            created_at=data["timestamp"],
            reason=data["reason"],
            size_bytes=data["size_bytes"],
            bpc=finite(data["metrics"].get("bpc")),
            path=str(self.catalogue.folder / data["checkpoint"]),
            verified=True,
        )

    def forget_checkpoint(self, name: str) -> None:
        """A checkpoint is not in its place any more."""
        self.store.mark_deleted(name)

    def newest_checkpoint_path(self, run_id: str) -> Path | None:
        """Where a restarted trainer begins; it looks at every byte itself, and further back if it must."""
        infos = self.catalogue.list(run_id)
        return infos[0].path if infos else None

    def checkpoints(self, run_id: str | None) -> Records:
        """Checkpoints on disk, newest first."""
        infos = self.catalogue.list(run_id)
        best = {run: info.name for run, own in by_run(infos).items() if (info := best_of(own))}
        verified = {row["name"] for row in self.store.checkpoints(run_id, limit=500).items if row["verified"]}
        return [self._record(info, best=best, verified=verified) for info in infos]

    def checkpoint(self, name: str) -> Record:
        """One checkpoint with its manifest, after reading every byte of it, once while its files look the same.

        Raises:
            NotFoundError: there is none of that name.
        """
        info = self.catalogue.info(name)
        if info.verified is None:
            try:
                info = self.catalogue.verify(info.path)
            except CheckpointError:
                info = self.catalogue.info(name)  # its record says that it is damaged
        best = self.catalogue.best(info.manifest.run_id)
        record = self._record(info, best={info.manifest.run_id: best.name if best else ""}, verified=set())
        return {**record, "manifest": info.manifest.to_json()}

    def delete_checkpoint(self, name: str) -> tuple[str, str | None]:
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
        self.store.mark_deleted(name)
        left = self.newest_checkpoint_path(run_id)
        newest = None if left is None else left.name
        row = self.store.run(run_id)
        if row is not None and row["checkpoint"] == name:
            self.store.update_run(run_id, checkpoint=newest)
        return run_id, newest

    def pin_checkpoint(self, name: str, *, pinned: bool) -> Record:
        """Keep a checkpoint, or let the rules have it again."""
        (self.catalogue.pin if pinned else self.catalogue.unpin)(name)
        self.store.put_checkpoint(name, pinned=pinned)
        return {key: value for key, value in self.checkpoint(name).items() if key != "manifest"}

    def find_checkpoint(
        self, text: str, *, by_id_only: bool = False, emit: Callable[[Event], None] = lambda _: None
    ) -> FoundCheckpoint:
        """The checkpoint a person means; what is found damaged, and leaves nothing to go on from, is set aside.

        Raises:
            NotFoundError: there is none of that name.
            CheckpointError: it cannot be read.
            UsageError: the path leads to no checkpoint.
        """
        try:
            return self._find_checkpoint(text, by_id_only=by_id_only)
        except DefectError as defect:
            if defect.path.resolve().parent == self.catalogue.folder.resolve():
                set_aside(self.catalogue, defect, emit)
            raise
        except NoCheckpointError:
            set_aside_newest_run(self.catalogue, emit)
            resolve(self.catalogue, text)  # says it with the names they are kept under
            raise

    def _find_checkpoint(self, text: str, *, by_id_only: bool) -> FoundCheckpoint:
        path = (
            self.catalogue.path_of(text) if by_id_only and text != "latest" else resolve(self.catalogue, text)
        )
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


def _listed(row: Record) -> Record:
    """What a list row says that is not in the configuration it leaves out."""
    return {name: row[name] for name in ("preset", "brain", "limits")}
