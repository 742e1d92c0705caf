"""What routes ask of the daemon, in small ports: each route is handed those it names and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from starlette.websockets import WebSocket

    from daemon.events import RunDeleted
    from daemon.orders import Generate, Order, Recall, ViewGrowth
    from daemon.store.paging import Page
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.operations import Operation
    from daemon.supervisor.requests import ResumeRequest, StartRequest

Record = dict[str, Any]


class HomeFolder(Protocol):
    """The home as a place; without its token and its lock."""

    @property
    def id(self) -> str:
        """Tells one home from another."""

    @property
    def root(self) -> Path:
        """The folder."""

    @property
    def cache(self) -> Path:
        """What can be made again."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that its settings are read from."""


class Runs(Protocol):
    """Runs in memory, and any by its id."""

    def known(self) -> list[LiveRun]:
        """All runs in memory."""

    async def find(self, run_id: str) -> LiveRun:
        """The run of that id; raises NotFoundError."""


class StoredRuns(Protocol):
    """All runs, as the store has them."""

    def views(self, cursor: str | None, limit: int) -> tuple[list[Record], str | None]:
        """Runs as lists show them, newest first, and where the list continues."""


class Admission(Protocol):
    """Begins runs."""

    async def start(self, request: StartRequest) -> LiveRun:
        """Begin a new run; raises ConflictError, UsageError."""

    async def resume(self, request: ResumeRequest) -> LiveRun:
        """Continue from a checkpoint; raises NotFoundError, CheckpointError, ConflictError."""


class Steering(Protocol):
    """Orders to runs, stopping among them, and what became of each."""

    async def act(self, run_id: str, order: Order) -> Operation:
        """Send an order to a run; raises NotFoundError, ConflictError."""

    async def feed(self, run_id: str, text: str, *, label: str | None = None) -> Operation:
        """Push text into a run's experience, with its label; raises NotFoundError, ConflictError, UsageError."""

    async def ask(self, run_id: str, question: Generate | Recall | ViewGrowth) -> Record:
        """The trainer's answer to a question; raises ConflictError, TrainerLostError."""

    async def operation(self, operation_id: str, *, wait_seconds: float) -> Record:
        """An operation, now or once it has ended; raises NotFoundError."""


class Deleting(Protocol):
    """Deletes permanently."""

    async def run(self, run_id: str, *, confirm: str, pinned_too: bool) -> RunDeleted:
        """Delete a run; raises NotFoundError, UsageError, ConflictError, DaemonError."""

    async def checkpoint(self, name: str) -> None:
        """Delete a checkpoint; raises NotFoundError, ConflictError."""


class Checkpoints(Protocol):
    """What can be resumed. Each reads the disk: not on the event loop."""

    def listed(self, run_id: str | None) -> list[Record]:
        """Checkpoints on disk, newest first."""

    def one(self, name: str) -> Record:
        """One checkpoint with its manifest; raises NotFoundError."""

    def pin(self, name: str, *, pinned: bool) -> Record:
        """Keep a checkpoint, or leave it to the retention rules again."""

    def size_bytes(self) -> int:
        """Of all sound checkpoints together."""

    def damaged(self) -> dict[str, int]:
        """Name → bytes of each that was set aside as damaged."""


class Alarms(Protocol):
    """The alarms of all runs. Reads the store: not on the event loop."""

    def listed(
        self, run_id: str | None, *, active: bool, cursor: str | None, limit: int
    ) -> tuple[list[Record], str | None]:
        """Alarms, newest first, and where the list continues."""


class Acknowledging(Protocol):
    """Notes that a person has seen an alarm."""

    async def alarm(self, alarm_id: str) -> Record:
        """Acknowledge one, and publish that; raises NotFoundError."""


class Schedule(Protocol):
    """The jobs that run by the clock."""

    def jobs(self) -> list[Record]:
        """Every job."""

    def change(
        self, name: str, *, paused: bool | None, every_seconds: float | None, cron: str | None
    ) -> Record:
        """Pause or continue a job, or change when it runs; raises NotFoundError, UsageError."""


class JobRunner(Protocol):
    """Runs a job of the schedule now."""

    def run(self, job: str) -> Operation:
        """Begin it; raises NotFoundError, ConflictError."""


class History(Protocol):
    """What runs have left in the store. Reads the disk: not on the event loop."""

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until what was handed over is written; whether it is."""

    def events(
        self, run: str | None, *, after: int | None, kind: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Events of a run or of all, newest first; with `after`, oldest first."""

    def step_at(self, run: str, time: float) -> int | None:
        """Steps a run had finished at a moment, unix seconds; None where nothing is known of it."""

    def series(
        self, run: str, metrics: Sequence[str], *, start: int | None, end: int | None, points: int
    ) -> Record | None:
        """Curves over steps; None when there is no such run."""

    def evaluations(self, run: str, *, cursor: str | None, limit: int) -> Page:
        """Held-out losses, newest first."""

    def readings(self, run: str, *, name: str | None, cursor: str | None, limit: int) -> Page:
        """Measurements of vital signs, newest first."""

    def forgetting(self, run: str, *, limit: int) -> dict[str, dict[str, list[Any]]]:
        """The forgetting matrix, by source."""


class Feed(Protocol):
    """The live feed."""

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it goes."""
