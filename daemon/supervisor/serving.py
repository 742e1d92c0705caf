"""What the API is handed of the supervisor: each port, and the part that stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.api.context import Context
from daemon.supervisor.scheduled_jobs import ScheduledJobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.api.access import Access
    from daemon.api.addresses import Addresses
    from daemon.api.feed import Hub
    from daemon.schedule.diary import Diary
    from daemon.supervisor.supervisor import Supervisor


def api_context(
    supervisor: Supervisor,
    diary: Diary,
    hub: Hub,
    *,
    access: Access,
    addresses: Addresses,
    shutdown: Callable[[], None],
    version: str,
    settling: bool = False,
) -> Context:
    """The ports of an app; while it is `settling`, the API waits for the runs of a daemon that died to end."""
    return Context(
        version=version,
        home=supervisor.home,
        access=access,
        addresses=addresses,
        runs=supervisor.runs,
        stored_runs=supervisor.rows,
        admission=supervisor.admission,
        steering=supervisor.steering,
        deleting=supervisor.deleting,
        checkpoints=supervisor.checkpoints,
        alarms=supervisor.alarms,
        acknowledging=supervisor.acknowledging,
        schedule=diary,
        job_runner=ScheduledJobs(diary, supervisor.operations),
        history=supervisor.store,
        hub=hub,
        shutdown=shutdown,
        answers=supervisor.store,
        orphaned=supervisor.orphaned if settling else None,
    )
