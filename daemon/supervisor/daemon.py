"""The daemon: lock, port, store, supervisor, API and signals, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import threading
from typing import TYPE_CHECKING

from daemon.checkpoint.catalogue import Catalogue
from daemon.config.keep import KeepConfig, read_keep
from daemon.errors import TrainerLostError, UsageError
from daemon.supervisor.audiences.log_file import problems_logged
from daemon.supervisor.audiences.threaded import ThreadedAudience, ThreadedListener
from daemon.supervisor.audiences.training_log import TrainingLog
from daemon.supervisor.clock import Clock, SystemClock
from daemon.supervisor.listening import bind, check_host
from daemon.supervisor.os_signals import ending
from daemon.supervisor.requests import ResumeRequest, StartRequest
from daemon.supervisor.supervisor import Supervisor
from daemon.supervisor.trainers import trainer_life
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from daemon.api.access import Access
    from daemon.api.addresses import Addresses
    from daemon.home import Home
    from daemon.public_url import PublicUrl
    from daemon.schedule.diary import Diary
    from daemon.supervisor.audiences.audience import Listener
    from daemon.supervisor.children.life import LifeSettings

GRACE_SECONDS = 120.0
EXIT_SECOND_SIGNAL = 130
LEAVE_WITHIN_SECONDS = 3.0
SLOW_END_SECONDS = 5.0  # from then on a person is told what is waited for, and how to end it


class Daemon:
    """One daemon on one home.

    Args:
        home: where everything is kept; held by this daemon alone while it runs.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        allow_remote: whether an address that other machines reach is allowed.
        listener: the foreground view.
        public_url: where a reverse proxy answers for it.
        allowed_hosts: further names clients call this machine by, for the Host allow-list.
        life: how trainers are kept alive.
        grace_seconds: time for the last checkpoint before a trainer is killed.

    Attributes:
        reason: why `run` ended as it did, where that is worth a line.
    """

    def __init__(
        self,
        home: Home,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        allow_remote: bool = False,
        listener: Listener | None = None,
        public_url: PublicUrl | None = None,
        allowed_hosts: tuple[str, ...] = (),
        life: LifeSettings | None = None,
        grace_seconds: float = GRACE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self.home = home
        self.host = host
        self.port = port
        self.allow_remote = allow_remote
        self.listener = listener
        self.public_url = public_url
        self.allowed_hosts = allowed_hosts
        self.life = life or trainer_life()
        self.grace_seconds = grace_seconds
        self.clock = clock or SystemClock()
        self.view: ThreadedListener | None = None
        self.reason: str | None = None
        self.keep = KeepConfig()

    def run(
        self, first: StartRequest | ResumeRequest | None = None, *, exit_when_finished: bool = False
    ) -> int:
        """Serve until asked to end; the exit code.

        Args:
            first: begin with this run.
            exit_when_finished: end when that run has finished by its limits or crashed.

        Raises:
            HomeBusyError: another daemon holds the home.
            PortTakenError: something else listens on the port.
            UsageError: the host cannot be listened on, or lets other machines in unasked.
            ConflictError, CheckpointError, NotFoundError: `first` cannot be begun.
        """
        check_host(self.host, allow_remote=self.allow_remote)
        keep = self.keep = read_keep(self.home.root, environ=self.home.environ)
        self.view = ThreadedListener(self.listener) if self.listener is not None else None
        try:
            with (
                self.home.lock(),
                contextlib.closing(bind(self.host, self.port)) as sock,
                problems_logged(
                    self.home.logs / "problems.log", limit_bytes=keep.log_bytes, kept_files=keep.log_files
                ),
            ):
                return asyncio.run(_Life(self, sock, first, exit_when_finished=exit_when_finished).live())
        finally:
            if self.view is not None:
                self.view.end()


class _Life:
    """One life of a daemon, within its event loop."""

    def __init__(
        self,
        daemon: Daemon,
        sock: socket.socket,
        first: StartRequest | ResumeRequest | None,
        *,
        exit_when_finished: bool,
    ) -> None:
        self._of = daemon
        self._sock = sock
        self._first = first
        self._exit_when_finished = exit_when_finished
        self._stop = asyncio.Event()
        self._stop_reason = "the daemon stops"
        self._leave_now = asyncio.Event()
        self._supervisor: Supervisor | None = None

    async def live(self) -> int:
        """Open the store, serve, and close it again; the exit code."""
        of = self._of
        with ending(self._on_first_signal, self._on_second_signal):
            from daemon.store.store import Store  # noqa: PLC0415 - a second of imports, after the port is ours

            store = await asyncio.to_thread(Store.open, of.home.database)
            if of.view is not None:
                for notice in store.notices:
                    of.view.on_notice(notice)
            keep = of.keep
            log = TrainingLog(
                of.home.training_log, of.clock, limit_bytes=keep.log_bytes, kept_files=keep.log_files
            )
            written = ThreadedAudience(log, name="training log", on_gap=log.on_gap, finish=log.close)
            try:
                catalogue = Catalogue(of.home.checkpoints)
                supervisor = self._supervisor = Supervisor(
                    of.home, store, catalogue, clock=of.clock, life=of.life
                )
                loop, publish = asyncio.get_running_loop(), supervisor.publisher.publish
                store.report = lambda event: loop.call_soon_threadsafe(publish, None, event)
                audiences = supervisor.publisher.audiences
                audiences.add(written, "training log")
                audiences.add(supervisor.tidier, "disk space limits")
                if of.view is not None:
                    audiences.add(of.view, "terminal")
                async with self._serving(supervisor) as diary:
                    return await self._conduct(supervisor, diary)
            finally:
                if not await asyncio.to_thread(written.delivery.close):
                    log.abandon()
                quickly = self._leave_now.is_set()
                await asyncio.to_thread(store.close, 1.0 if quickly else 10.0)

    async def _conduct(self, supervisor: Supervisor, diary: Diary) -> int:
        """Recover, begin what was asked for, wait for the end, stop everything."""
        conduct = asyncio.ensure_future(self._until_end(supervisor, diary))
        leave = asyncio.ensure_future(self._leave_now.wait())
        await asyncio.wait((conduct, leave), return_when=asyncio.FIRST_COMPLETED)
        if leave.done():
            conduct.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await conduct
            return EXIT_SECOND_SIGNAL
        leave.cancel()
        return conduct.result()

    async def _until_end(self, supervisor: Supervisor, diary: Diary) -> int:
        exit_code, finished = 0, False
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await self._recover(supervisor)
            diary.start()
            if self._first is not None and not self._stop.is_set():
                admission = supervisor.admission
                begin = admission.start if isinstance(self._first, StartRequest) else admission.resume
                run = await begin(self._first)  # type: ignore[arg-type]
                if self._exit_when_finished:
                    ended = asyncio.ensure_future(self._ended_by_itself(supervisor, run.id))
                    await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
                    if ended.done():
                        exit_code = ended.result()
                        finished = True
                        self._stop.set()
                    else:
                        ended.cancel()
            await stop
        finally:
            stop.cancel()
            diary.stop()
            if self._of.view is not None and not finished:
                self._of.view.on_stopping()
            await self._end_runs(supervisor)
        return exit_code

    async def _end_runs(self, supervisor: Supervisor) -> None:
        """Stop every run within the grace time; where that takes long, report what is waited for."""
        grace = self._of.grace_seconds
        ending = supervisor.ending.close(grace_seconds=grace, reason=self._stop_reason)
        closing = asyncio.ensure_future(ending)
        try:
            await asyncio.wait((closing,), timeout=SLOW_END_SECONDS)
            if not closing.done() and self._of.view is not None:
                self._of.view.on_notice(
                    f"still saving the final checkpoint; this may take up to {grace:.0f} s. Ctrl+C again ends at once, "
                    "with the last checkpoint that was saved"
                )
            await closing
        finally:
            closing.cancel()

    async def _recover(self, supervisor: Supervisor) -> None:
        """End the runs of a daemon that died; asked to end meanwhile, leave them to the next."""
        recovering = asyncio.ensure_future(
            supervisor.orphaned.close(grace_seconds=self._of.life.linger_seconds)
        )
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((recovering, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not recovering.done():
            recovering.cancel()
            return
        recovering.result()
        await asyncio.to_thread(supervisor.checkpoints.catalogue.sweep)
        await supervisor.deleting.finish()

    async def _ended_by_itself(self, supervisor: Supervisor, run_id: str) -> int:
        """The exit code, once the run has finished or crashed; one stopped by hand may be resumed."""
        while True:
            run = await supervisor.ending.wait(run_id)
            if run.state is RunState.FINISHED:
                return 0
            if run.state is RunState.CRASHED:
                self._of.reason = run.reason
                return TrainerLostError.exit_code if run.curable else UsageError.exit_code
            await supervisor.admission.wait_begun(run_id)

    @contextlib.asynccontextmanager
    async def _serving(self, supervisor: Supervisor) -> AsyncIterator[Diary]:
        """Serve HTTP while this lasts; yields the diary, which is not started yet."""
        from daemon.supervisor.http_api import api_of  # noqa: PLC0415 - FastAPI is loaded once the port is ours

        of = self._of
        api = api_of(
            supervisor,
            self._sock,
            host=of.host,
            more_hosts=of.allowed_hosts,
            public=of.public_url,
            shutdown=self._shutdown,
            version=importlib.metadata.version("synapsed"),
        )
        async with api.server.answering(self._sock):
            urls = api.addresses
            of.home.write_daemon_file(
                port=self._sock.getsockname()[1], url=urls.url, remote_url=urls.remote_url or ""
            )
            self._announce(urls, api.access)
            logs = asyncio.ensure_future(supervisor.tidier.watch_logs())
            try:
                yield api.diary
            finally:
                logs.cancel()
            await api.hub.close(self._stop_reason)
            await supervisor.tidier.settled()

    def _announce(self, urls: Addresses, access: Access) -> None:
        if self._of.view is None:
            return
        self._of.view.on_listening(urls.url, f"{urls.url}/?token={access.issue_code()}")
        if urls.remote_url is not None:
            flag = self._of.home.flag
            self._of.view.on_notice(
                f"other machines reach it at {urls.remote_url} (log a browser in there: synapsed open{flag})"
            )

    def _shutdown(self) -> None:
        self._stop_reason = "asked to over the API"
        self._stop.set()

    def _on_first_signal(self, name: str) -> None:
        self._stop_reason = "Ctrl+C" if name == "SIGINT" else name
        self._stop.set()

    def _on_second_signal(self) -> None:
        if self._supervisor is not None:
            self._supervisor.ending.kill()
        self._leave_now.set()
        # Whatever hangs: the person has asked twice.
        timer = threading.Timer(LEAVE_WITHIN_SECONDS, os._exit, (EXIT_SECOND_SIGNAL,))
        timer.daemon = True
        timer.start()
