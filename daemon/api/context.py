"""What the app holds for its routes, and how a route names what it wants handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from daemon.api import ports
from daemon.api.access import Access
from daemon.api.addresses import Addresses

if TYPE_CHECKING:
    from daemon.api.feed import Hub
    from daemon.api.idempotency import Answers
    from daemon.supervisor.orphaned_runs import OrphanedRuns


@dataclass(frozen=True, kw_only=True)
class Context:
    """Every port of the API, for the app alone; a route is handed the ones that it names.

    Attributes:
        answers: where answers to requests with an Idempotency-Key are kept.
        shutdown: asks the daemon to save, stop and exit.
        orphaned: runs that a daemon which died left open; None: there was none.
    """

    version: str
    home: ports.HomeFolder
    access: Access
    addresses: Addresses
    runs: ports.Runs
    stored_runs: ports.StoredRuns
    admission: ports.Admission
    steering: ports.Steering
    deleting: ports.Deleting
    checkpoints: ports.Checkpoints
    alarms: ports.Alarms
    acknowledging: ports.Acknowledging
    schedule: ports.Schedule
    job_runner: ports.JobRunner
    history: ports.History
    hub: Hub
    shutdown: Callable[[], None]
    answers: Answers
    orphaned: OrphanedRuns | None = None


def _handed(port: Callable[[Context], object]) -> Any:
    """What FastAPI hands a route that names the port."""

    async def dependency(connection: HTTPConnection) -> object:
        return port(connection.app.state.context)

    return Depends(dependency)


VersionPort = Annotated[str, _handed(lambda context: context.version)]
HomePort = Annotated[ports.HomeFolder, _handed(lambda context: context.home)]
AccessPort = Annotated[Access, _handed(lambda context: context.access)]
AddressesPort = Annotated[Addresses, _handed(lambda context: context.addresses)]
RunsPort = Annotated[ports.Runs, _handed(lambda context: context.runs)]
StoredRunsPort = Annotated[ports.StoredRuns, _handed(lambda context: context.stored_runs)]
AdmissionPort = Annotated[ports.Admission, _handed(lambda context: context.admission)]
SteeringPort = Annotated[ports.Steering, _handed(lambda context: context.steering)]
DeletingPort = Annotated[ports.Deleting, _handed(lambda context: context.deleting)]
CheckpointsPort = Annotated[ports.Checkpoints, _handed(lambda context: context.checkpoints)]
AlarmsPort = Annotated[ports.Alarms, _handed(lambda context: context.alarms)]
AcknowledgingPort = Annotated[ports.Acknowledging, _handed(lambda context: context.acknowledging)]
SchedulePort = Annotated[ports.Schedule, _handed(lambda context: context.schedule)]
JobRunnerPort = Annotated[ports.JobRunner, _handed(lambda context: context.job_runner)]
HistoryPort = Annotated[ports.History, _handed(lambda context: context.history)]
FeedPort = Annotated[ports.Feed, _handed(lambda context: context.hub)]
ShutdownPort = Annotated[Callable[[], None], _handed(lambda context: context.shutdown)]
