"""Runs as rows of the store, and rows as runs. Writing never waits; reading does, so not in the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.abilities import abilities_of
from daemon.missing_run import LOOKED_THROUGH, no_run
from daemon.store.forgetting_matrix import probe_losses
from daemon.supervisor.live_run import LiveRun, held_out_losses, run_from_row
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.errors import NotFoundError
    from daemon.store.read_pool import Reader
    from daemon.store.store import Store
    from daemon.trainer_protocol import Report

SAVE_EVERY_SECONDS = 1.0
UNFINISHED = tuple(str(state) for state in RunState if not state.ended)
LISTED = ("preset", "brain", "limits")  # in a list's row, though not its configuration


class RunRows:
    """Each run's own row, and the numbers of its reports."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._saved_at: dict[str, float] = {}

    def create(self, run: LiveRun) -> None:
        """Add a run."""
        self._store.create_run(
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
        """Save a run as it is now."""
        self._saved_at[run.id] = self._monotonic()
        self._store.update_run(
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
            latest_steps=dict(run.latest_steps),
            readings=dict(run.readings),
            sample=run.sample,
            sample_step=run.sample_step,
            sample_time=run.sample_time,
            sources=run.sources,
            checkpoint=run.checkpoint,
        )

    def add_report(self, run: LiveRun, report: Report) -> None:
        """Save the numbers of a report, and once a second the totals."""
        store = self._store
        store.add_columns(run.id, run.session, report.columns)
        store.add_points(run.id, run.session, report.points)
        store.add_readings(run.id, run.session, report.readings)
        store.add_evaluations(run.id, run.session, held_out_losses(report.points))
        store.add_forgetting(run.id, run.session, probe_losses(report.points))
        if self._monotonic() - self._saved_at.get(run.id, 0.0) >= SAVE_EVERY_SECONDS:
            self.save(run)

    def load(self, run_id: str) -> LiveRun | None:
        """A run as it was saved last; None when there is none of that id."""
        return loaded(self._store, run_id)

    def views(self, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Runs as lists show them, newest first, and where the list continues."""
        return listed(self._store, cursor, limit)

    def missing(self, run_id: str) -> NotFoundError:
        """The error for a run that does not exist."""
        return missing_run(self._store, run_id)

    def newest_id(self) -> str | None:
        """The run created last."""
        items = self._store.runs(limit=1).items
        return str(items[0]["id"]) if items else None

    def unfinished(self) -> list[str]:
        """Runs that were not ended when the store was written last."""
        return [str(row["id"]) for row in self._store.runs(states=UNFINISHED, limit=500).items]


def loaded(reader: Reader, run_id: str) -> LiveRun | None:
    """A run as it was saved last; None when there is none of that id."""
    row = reader.run(run_id)
    if row is None:
        return None
    saved = reader.checkpoints(run_id, limit=20).items
    steps = {checkpoint["name"]: checkpoint["step"] for checkpoint in saved}
    return run_from_row(row, checkpoint_step=steps.get(row["checkpoint"]))


def missing_run(reader: Reader, run_id: str) -> NotFoundError:
    """The error for a run that does not exist, with the nearest that does."""
    return no_run(run_id, reader.runs(limit=LOOKED_THROUGH).items)


def listed(reader: Reader, cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Runs as lists show them, newest first, and where the list continues."""
    page = reader.runs(cursor=cursor, limit=limit)
    items = [
        run_from_row({"config": {}, **row}).view(full=False)
        | {name: row[name] for name in LISTED}
        | {"abilities": abilities_of(row["brain"])}
        for row in page.items
    ]
    return items, page.next
