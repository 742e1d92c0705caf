"""The lives of one piece of work's children: spawn, read, notice death, start the next.

Nothing here knows what a child does. A kind of child defines what it sends (`ChildKind`), what that means and where
the next child begins (`ChildObserver`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from daemon.child_protocol import ChildGoodbye, ChildOrder, ChildReady
from daemon.errors import ConflictError
from daemon.supervisor.children.child_process import ChildProcess, Death, cause_of
from daemon.supervisor.children.restart import RestartPolicy
from daemon.system.patience import slices
from daemon.system.process_cpu import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.supervisor.clock import Clock


logger = logging.getLogger(__name__)

Order = TypeVar("Order", bound=ChildOrder)
Message = TypeVar("Message")
Message_contra = TypeVar("Message_contra", contravariant=True)
Goodbye = TypeVar("Goodbye", bound=ChildGoodbye)
Goodbye_contra = TypeVar("Goodbye_contra", bound=ChildGoodbye, contravariant=True)

# Of one processor, over a silence: a child that gets less does nothing, one that gets more is only slow.
WORKING_SHARE = 0.001


@dataclass(frozen=True, kw_only=True)
class ChildKind(Generic[Order, Message, Goodbye]):
    """A kind of child, by what it is called and what it sends.

    Attributes:
        noun: what a person calls it.
        messages: what it may send, beside a goodbye; anything else counts as a heartbeat and nothing more.
        goodbye: its last message.
    """

    noun: str
    messages: tuple[type[Message], ...]
    goodbye: type[Goodbye]


@dataclass(frozen=True, kw_only=True)
class LifeSettings:
    """How a child is started, and how patient the supervisor is with it.

    Attributes:
        entry: `module:function` a child begins with; it is called with its order and its end of the pipe.
        silence_seconds: a child that neither sends anything nor uses the processor for so long is killed; counts
            as death. Here and below, time in which the supervisor stood still itself does not count.
        loading_seconds: the same, before it is ready: reading a large checkpoint or source takes its time.
        busy_factor: how many times as long a silent child may take that does use the processor.
        cpu_seconds: processor time that the process of this pid has used; None: not known.
        linger_seconds: time to end in, after the goodbye.
        restart: a new policy for each piece of work.
        start_method: `spawn` anew, or `forkserver`, which shares what is loaded already (not on Windows).
    """

    entry: str
    silence_seconds: float = 120.0
    loading_seconds: float = 900.0
    busy_factor: int = 8
    cpu_seconds: Callable[[int], float | None] = field(default=cpu_seconds)
    linger_seconds: float = 60.0
    restart: Callable[[], RestartPolicy] = field(default=RestartPolicy)
    start_method: Literal["spawn", "forkserver"] = "spawn"


class ChildObserver(Protocol[Order, Message_contra, Goodbye_contra]):
    """Notified of what the children of one piece of work do, in the event loop."""

    def on_spawn(self, order: Order) -> None:
        """A child is being spawned."""

    def on_message(self, subject: str, message: Message_contra) -> None:
        """It sent something that is not a goodbye."""

    def on_slow(self, subject: str, silent_seconds: float) -> None:
        """It has sent nothing for so long, and yet it works; once for each such silence."""

    def on_death(self, subject: str, reason: str, restart_seconds: float | None) -> None:
        """It died; the next one starts after `restart_seconds`; None: none does."""

    def on_end(self, subject: str, goodbye: Goodbye_contra | None, reason: str) -> None:
        """No further child is started; without a goodbye the last one died, or was ended by hand between two lives."""

    def next_order(self, order: Order) -> Order:
        """The order of the child after the one with this order."""


class ChildLife(Generic[Order, Message, Goodbye]):
    """Keeps one piece of work going through the deaths of its children."""

    def __init__(
        self,
        order: Order,
        kind: ChildKind[Order, Message, Goodbye],
        *,
        observer: ChildObserver[Order, Message, Goodbye],
        settings: LifeSettings,
        clock: Clock,
        log_path: Path,
    ) -> None:
        self.subject = order.subject
        self._order = order
        self._kind = kind
        self._observer = observer
        self._settings = settings
        self._clock = clock
        self._log_path = log_path
        self._policy = settings.restart()
        self._child: ChildProcess | None = None
        self._goodbye: ChildGoodbye | None = None
        self._num_messages = 0
        self._hung: str | None = None
        self._ready = False
        self._killed_for: str | None = None
        self._watch: asyncio.Task[None] | None = None
        self._spawning: asyncio.Task[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._giving_up = False
        self.ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the child that lives now."""
        return self._child.pid if self._child else None

    @property
    def between_lives(self) -> bool:
        """The child is dead and the next one is not started yet."""
        return self._waiting is not None

    def begin(self) -> None:
        """Spawn a child for the current order; a failure to start counts as its death."""
        self._waiting = None
        self._goodbye, self._hung, self._ready = None, None, False
        self._child = ChildProcess(
            self._order,
            noun=self._kind.noun,
            entry=self._settings.entry,
            log_path=self._log_path,
            on_message=self._on_message,
            on_death=self._on_death,
            linger_seconds=self._settings.linger_seconds,
            start_method=self._settings.start_method,
        )
        loop = asyncio.get_running_loop()
        self._spawning = loop.create_task(self._spawn(self._child))
        self._watch = loop.create_task(self._watch_silence(self._child))
        self._observer.on_spawn(self._order)

    async def _spawn(self, child: ChildProcess) -> None:
        try:
            await child.start()
        except Exception as error:
            logger.warning("a %s of %s could not be started", self._kind.noun, self.subject, exc_info=True)
            self._on_death(Death(not_started=cause_of(error)))

    def require_child(self) -> None:
        """Between two lives the work can only be stopped.

        Raises:
            ConflictError: there is no child at this moment.
        """
        if self.between_lives:
            raise ConflictError(
                f"{self.subject} has no {self._kind.noun} at this moment; try again in a minute"
            )

    def send(self, command: object) -> None:
        """Pass a command down the pipe of the living child."""
        assert self._child is not None
        self._child.send(command)

    def stop(self, command: object) -> None:
        """Order the end: whatever becomes of this child, no other follows, unless it refuses (`keep_going`)."""
        self._giving_up = True
        if self._waiting is None:
            self.send(command)
        else:
            self._end_between_lives(f"stopped before the next {self._kind.noun} was started")

    def keep_going(self) -> None:
        """The child has refused to stop: should it die, another follows again."""
        self._giving_up = self._killed_for is not None

    def kill(self) -> None:
        """Kill the child now; what it saved last stays."""
        self._killed_for = "ended at once, without a last save"
        self._giving_up = True
        if self._waiting is not None:
            self._end_between_lives(self._killed_for)
        elif self._child is not None:
            self._child.kill()

    def _on_message(self, message: Any) -> None:
        self._num_messages += 1
        self._ready = self._ready or isinstance(message, ChildReady)
        if isinstance(message, ChildGoodbye):
            self._goodbye = message
        elif isinstance(message, self._kind.messages):
            self._observer.on_message(self.subject, message)

    def _on_death(self, death: Death) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._child = None
        goodbye = self._goodbye
        if isinstance(goodbye, self._kind.goodbye) and goodbye.final:
            self._end(goodbye, goodbye.error or "")
            return
        reason = self._why(death)
        wait_seconds = None if self._giving_up else self._policy.after_death(self._clock.monotonic())
        with self._whatever_happens():
            self._observer.on_death(self.subject, reason, wait_seconds)
        if wait_seconds is None:
            self._end(None, reason if self._killed_for is not None else self._last_death(reason))
            return
        with self._whatever_happens():
            self._order = self._observer.next_order(self._order)
        self._waiting = asyncio.get_running_loop().call_later(wait_seconds, self.begin)

    def _why(self, death: Death) -> str:
        if self._killed_for is not None:  # by us: its signal would point to a fault it never had
            return self._killed_for
        if self._hung is not None:
            return self._hung
        return (self._goodbye.error if self._goodbye else None) or death.reason

    def _last_death(self, reason: str) -> str:
        noun = self._kind.noun
        return (
            f"the {noun} died while stopping: {reason}"
            if self._giving_up
            else f"{noun} died too often; last: {reason}"
        )

    def _end_between_lives(self, reason: str) -> None:
        assert self._waiting is not None
        self._waiting.cancel()
        self._waiting = None
        self._end(None, reason)

    def _end(self, goodbye: Goodbye | None, reason: str) -> None:
        with self._whatever_happens():
            self._observer.on_end(self.subject, goodbye, reason)
        self.ended.set()

    @contextlib.contextmanager
    def _whatever_happens(self) -> Iterator[None]:
        """A fault of the observer must not keep the work from its next child, or from its end."""
        try:
            yield
        except Exception:
            logger.exception("the observer of a %s of %s failed", self._kind.noun, self.subject)

    async def _watch_silence(self, child: ChildProcess) -> None:
        """Kill a child that hangs; while this process stands still nothing can be received."""
        while True:
            limit = self._settings.silence_seconds if self._ready else self._settings.loading_seconds
            used = self._cpu_seconds(child)
            for silence in range(1, self._settings.busy_factor + 1):
                if await self._speaks_within(limit):
                    break
                before, used = used, self._cpu_seconds(child)
                if before is None or used is None or used - before < WORKING_SHARE * limit:
                    self._hung = f"silent for {silence * limit:.0f} s, and idle"
                    break
                if silence == 1:
                    with self._whatever_happens():
                        self._observer.on_slow(self.subject, limit)
            else:
                self._hung = (
                    f"silent for {self._settings.busy_factor * limit:.0f} s, though it used the processor"
                )
            if self._hung is not None:
                child.kill()
                return

    async def _speaks_within(self, seconds: float) -> bool:
        num_messages = self._num_messages
        for part in slices(seconds, self._clock.monotonic):
            await asyncio.sleep(part)
            if self._num_messages != num_messages:
                return True
        return False

    def _cpu_seconds(self, child: ChildProcess) -> float | None:
        return None if child.pid is None else self._settings.cpu_seconds(child.pid)
