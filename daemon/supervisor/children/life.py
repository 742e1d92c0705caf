"""The lives of one run's trainers: spawn, listen, notice death, go on from the last good checkpoint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from daemon.errors import ConflictError
from daemon.events import TrainerLost
from daemon.protocol import Command, Goodbye, Outcome, Ready, Report, TrainerOrder
from daemon.supervisor.children.entry import TRAINER
from daemon.supervisor.children.process import Death, TrainerProcess, says
from daemon.supervisor.children.restart import RestartPolicy
from daemon.system.patience import slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.supervisor.clock import Clock


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LifeSettings:
    """How patient the supervisor is.

    Attributes:
        entry: `module:function` a trainer begins with.
        silence_seconds: a trainer that says nothing for so long is killed; counts as death. Here and below, time
            in which the supervisor stood still itself does not count.
        loading_seconds: the same, before it is ready: reading a large checkpoint or source takes its time.
        linger_seconds: time to end in, after the last word.
        restart: a new policy for each run.
    """

    entry: str = TRAINER
    silence_seconds: float = 120.0
    loading_seconds: float = 900.0
    linger_seconds: float = 60.0
    restart: Callable[[], RestartPolicy] = field(default=RestartPolicy)


class LifeObserver(Protocol):
    """Told what a run's trainers do, in the event loop."""

    def on_session(self, run: str, session: int) -> None:
        """A trainer is being spawned."""

    def on_ready(self, run: str, ready: Ready) -> None:
        """It is about to learn."""

    def on_report(self, run: str, report: Report) -> None:
        """It learned."""

    def on_outcome(self, outcome: Outcome) -> None:
        """It obeyed or refused a command."""

    def on_lost(self, run: str, event: TrainerLost) -> None:
        """It died; `restart_seconds` says whether another follows."""

    def on_end(self, run: str, goodbye: Goodbye | None, reason: str) -> None:
        """No further trainer will be started; without a goodbye the run has crashed, or stopped if that was wanted."""

    def newest_checkpoint(self, run: str) -> Path | None:
        """The last good checkpoint of the run, to start again from."""


class TrainerLife:
    """Keeps a run learning through the deaths of its trainers."""

    def __init__(
        self,
        order: TrainerOrder,
        *,
        observer: LifeObserver,
        settings: LifeSettings,
        clock: Clock,
        log_path: Path,
    ) -> None:
        self.run = order.run_id
        self._order = order
        self._observer = observer
        self._settings = settings
        self._clock = clock
        self._log_path = log_path
        self._policy = settings.restart()
        self._trainer: TrainerProcess | None = None
        self._goodbye: Goodbye | None = None
        self._num_heard = 0
        self._silent_for: float | None = None
        self._ready = False
        self._killed_for: str | None = None
        self._watch: asyncio.Task[None] | None = None
        self._spawning: asyncio.Task[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._giving_up = False
        self.ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the trainer that lives now."""
        return self._trainer.pid if self._trainer else None

    @property
    def between_lives(self) -> bool:
        """The trainer is dead and the next one is not started yet."""
        return self._waiting is not None

    def begin(self) -> None:
        """Spawn a trainer for the order as it stands; what keeps it from starting counts as its death."""
        self._waiting = None
        self._goodbye, self._silent_for, self._ready = None, None, False
        self._trainer = TrainerProcess(
            self._order,
            entry=self._settings.entry,
            log_path=self._log_path,
            on_message=self._on_message,
            on_death=self._on_death,
            linger_seconds=self._settings.linger_seconds,
        )
        loop = asyncio.get_running_loop()
        self._spawning = loop.create_task(self._spawn(self._trainer))
        self._watch = loop.create_task(self._watch_silence(self._trainer))
        self._observer.on_session(self.run, self._order.session)

    async def _spawn(self, trainer: TrainerProcess) -> None:
        try:
            await trainer.start()
        except Exception as error:
            logger.warning("a trainer of %s could not be started", self.run, exc_info=True)
            self._on_death(Death(unborn=says(error)))

    def require_trainer(self) -> None:
        """Between two lives of its trainer a run can only be stopped.

        Raises:
            ConflictError: there is no trainer at this moment.
        """
        if self.between_lives:
            raise ConflictError(f"{self.run} has no trainer at this moment; try again in a minute")

    def send(self, command: Command) -> None:
        """Pass a command down the pipe of the living trainer."""
        assert self._trainer is not None
        self._trainer.send(command)

    def stop(self, command: Command) -> None:
        """Order the end: whatever becomes of this trainer, no other follows, unless it refuses (`learn_on`)."""
        self._giving_up = True
        if self._waiting is None:
            self.send(command)
        else:
            self._end_between_lives("stopped before the next trainer was started")

    def learn_on(self) -> None:
        """The trainer has refused to stop: should it die, another follows again."""
        self._giving_up = self._killed_for is not None

    def _end_between_lives(self, reason: str) -> None:
        assert self._waiting is not None
        self._waiting.cancel()
        self._waiting = None
        self._end(None, reason)

    def kill(self) -> None:
        """End it all now; the last good checkpoint stays."""
        self._killed_for = "ended at once, without a last save"
        self._giving_up = True
        if self._waiting is not None:
            self._end_between_lives(self._killed_for)
        elif self._trainer is not None:
            self._trainer.kill()

    def _on_message(self, message: Any) -> None:
        self._num_heard += 1
        if isinstance(message, Report):
            self._observer.on_report(self.run, message)
        elif isinstance(message, Outcome):
            self._observer.on_outcome(message)
        elif isinstance(message, Ready):
            self._ready = True
            self._observer.on_ready(self.run, message)
        elif isinstance(message, Goodbye):
            self._goodbye = message

    def _on_death(self, death: Death) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._trainer = None
        goodbye = self._goodbye
        if goodbye is not None and (goodbye.state != "crashed" or not goodbye.restartable):
            self._end(goodbye, goodbye.error or "")
            return
        reason = self._why(death)
        wait_seconds = None if self._giving_up else self._policy.after_death(self._clock.monotonic())
        with self._going_on():
            self._observer.on_lost(self.run, TrainerLost(reason=reason, restart_seconds=wait_seconds))
        if wait_seconds is None:
            if self._killed_for is None:
                died = (
                    "the trainer died while stopping: "
                    if self._giving_up
                    else "trainer died too often; last: "
                )
                reason = died + reason
            self._end(None, reason)
            return
        with self._going_on():
            self._order = self._next_order()
        self._waiting = asyncio.get_running_loop().call_later(wait_seconds, self.begin)

    def _why(self, death: Death) -> str:
        if self._killed_for is not None:  # by us: its signal would tell of a fault it never had
            return self._killed_for
        if self._silent_for is not None:
            return f"silent for {self._silent_for:.0f} s"
        return (self._goodbye.error if self._goodbye else None) or death.reason

    def _next_order(self) -> TrainerOrder:
        """The same run, a new session, from the newest checkpoint it has committed itself."""
        checkpoint = self._observer.newest_checkpoint(self.run)
        if checkpoint is None:  # nothing of its own yet: begin as the first time
            return replace(self._order, session=self._order.session + 1)
        return replace(
            self._order,
            session=self._order.session + 1,
            checkpoint=checkpoint,
            fork_of=None,
            fall_back=True,
            newest=True,
            # Until it has saved one of its own, the limits it was resumed with are in the order alone.
            limits_from_checkpoint=self._order.limits_from_checkpoint or checkpoint != self._order.checkpoint,
        )

    def _end(self, goodbye: Goodbye | None, reason: str) -> None:
        with self._going_on():
            self._observer.on_end(self.run, goodbye, reason)
        self.ended.set()

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        """A fault of those who are told must not keep a run from its next trainer, or from its end."""
        try:
            yield
        except Exception:
            logger.exception("the end of a trainer of %s could not be told", self.run)

    async def _watch_silence(self, trainer: TrainerProcess) -> None:
        """Kill a trainer that says nothing; while this process stands still nobody can hear it."""
        while True:
            num_heard, ready = self._num_heard, self._ready
            limit = self._settings.silence_seconds if ready else self._settings.loading_seconds
            for seconds in slices(limit, self._clock.monotonic):
                await asyncio.sleep(seconds)
                if self._num_heard != num_heard:
                    break
            else:
                self._silent_for = limit
                trainer.kill()
                return
