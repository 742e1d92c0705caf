"""The API over a supervisor: each port and the part behind it, the addresses, the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.api.access import Access
from daemon.api.addresses import Addresses
from daemon.api.asgi_app import allowed_hosts, bracketed, create_app
from daemon.api.context import Context
from daemon.api.feed import Hub
from daemon.api.server import QuietServer
from daemon.schedule.diary import Diary
from daemon.supervisor.listening import is_loopback, machine_names, on_every_address, reachable_address
from daemon.supervisor.scheduled_jobs import ScheduledJobs

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from daemon.public_url import PublicUrl
    from daemon.supervisor.supervisor import Supervisor


@dataclass(frozen=True, kw_only=True)
class Api:
    """The server, and what the daemon needs of what is behind it."""

    server: QuietServer
    access: Access
    addresses: Addresses
    hub: Hub
    diary: Diary


def api_of(
    supervisor: Supervisor,
    sock: socket.socket,
    *,
    host: str,
    more_hosts: tuple[str, ...],
    public: PublicUrl | None,
    shutdown: Callable[[], None],
    version: str,
) -> Api:
    """The API of a daemon that listens on `sock`; neither the server nor the diary is started."""
    port = sock.getsockname()[1]
    diary = Diary(
        work=supervisor.chores,
        notebook=supervisor.store,
        emit=lambda event: supervisor.publisher.publish(None, event),
        home=supervisor.home.root,
    )
    hub = Hub(supervisor.runs, supervisor.rows, supervisor.store, schedule=diary, clock=supervisor.clock)
    supervisor.publisher.audiences.add(hub, "live feed")
    access = Access(supervisor.home.token(), port=port)
    addresses = addresses_of(sock, host, public)
    context = api_context(
        supervisor,
        diary,
        hub,
        access=access,
        addresses=addresses,
        shutdown=shutdown,
        version=version,
        settling=True,
    )
    names = (*more_hosts, *(machine_names() if not is_loopback(host) else ()))
    server = QuietServer(create_app(context, hosts=allowed_hosts(host, port, more=names)))
    return Api(server=server, access=access, addresses=addresses, hub=hub, diary=diary)


def addresses_of(sock: socket.socket, host: str, public: PublicUrl | None) -> Addresses:
    """The addresses of a daemon that listens on `sock`."""
    port = sock.getsockname()[1]
    everywhere = on_every_address(sock)
    remote = reachable_address() if everywhere else None
    return Addresses(
        url=f"http://{bracketed('127.0.0.1' if everywhere else host)}:{port}",
        remote_url=f"http://{bracketed(remote)}:{port}" if remote else None,
        public=public,
    )


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
