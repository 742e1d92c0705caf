"""Orders from outside, obeyed at a safe point between two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.errors import SynapsedError
from daemon.interrupting import Interrupted
from daemon.orders import Stop, StopForGood
from daemon.trainer.errors import RefusalError
from daemon.trainer.life.ending import Ending
from daemon.trainer_protocol import Command, Outcome, RunState

if TYPE_CHECKING:
    from daemon.trainer.effects.broken_orders import BrokenOrders
    from daemon.trainer.life.ending import Endings
    from daemon.trainer.life.pausing import Pauses
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.orders.obeying import Handlers
    from daemon.trainer.ports import Clock, Life

HEARTBEAT_SECONDS = 1.0
# What takes more than a moment and leaves nothing behind that was waited for.
LONG = frozenset({"evaluate", "generate", "grow", "growth", "sleep"})


class Control:
    """Takes commands off the pipe, answers each with an Outcome, and decides when the loop ends.

    A stop, once ordered, is answered after the final checkpoint, so that its Outcome can name it. One that cannot
    save is refused, unless the order is to end in any case.

    Args:
        pipe: to the supervisor.
        handlers: what comes of each kind of order but a stop.
        broken: takes back an order in which something unforeseen went wrong.
        pauses: may end by themselves.
        endings: make the last save.
        clock: of the run.
        life: its state.
    """

    def __init__(
        self,
        pipe: Pipe,
        handlers: Handlers,
        *,
        broken: BrokenOrders,
        pauses: Pauses,
        endings: Endings,
        clock: Clock,
        life: Life,
    ) -> None:
        self._pipe = pipe
        self._handlers = handlers
        self._broken = broken
        self._pauses = pauses
        self._endings = endings
        self._clock = clock
        self._life = life
        self._stop: Command | None = None

    def __call__(self) -> Ending | None:
        """Obey all waiting commands; stay here while the run is paused."""
        while True:
            if (ending := self._obey_waiting()) is not None:
                return ending
            if self._life.state is not RunState.PAUSED:
                return None
            self._life.alive()
            if self._pauses.over():
                return None
            self._pipe.wait_for_news(HEARTBEAT_SECONDS)

    def answer_stop(self, checkpoint: str | None, step: int, error: str | None) -> None:
        """Answer the order to stop, if there was one."""
        if self._stop is not None:
            result = {"checkpoint": checkpoint} | ({} if error is None else {"not_saved": error})
            self._pipe.send(Outcome(id=self._stop.id, ok=True, step=step, result=result))

    def obey(self, command: Command) -> Outcome:
        """Carry out an order other than a stop; returns its outcome."""
        journaled = self._broken.newest_entry()
        step = self._clock.step
        try:
            result = self._carry_out(command)
        except RefusalError as refusal:
            return Outcome(id=command.id, ok=False, step=step, error=str(refusal), conflict=True)
        except Interrupted as interrupted:
            return Outcome(id=command.id, ok=False, step=step, error=str(interrupted), conflict=True)
        except (SynapsedError, OSError) as error:
            return Outcome(id=command.id, ok=False, step=step, error=str(error))
        except Exception as error:  # noqa: BLE001 - one order that goes wrong must not cost the run its trainer
            fault = self._broken.take_back(command.order, error, journaled=journaled)
            return Outcome(id=command.id, ok=False, step=step, error=fault)
        return Outcome(id=command.id, ok=True, step=step, result=result)

    def _obey_waiting(self) -> Ending | None:
        while (command := self._pipe.next_command()) is not None:
            if isinstance(command.order, Stop):
                if (ending := self._end(command, command.order)) is not None:
                    return ending
                continue
            self._pipe.send(self.obey(command))
        if self._pipe.orphaned.is_set():
            return Ending(state=RunState.STOPPED, reason="the supervisor is gone")
        if self._pipe.terminated:
            return Ending(state=RunState.STOPPED, reason="terminated by a signal")
        return None

    def _end(self, command: Command, stop: Stop) -> Ending | None:
        """The ending that was ordered, with its last save; None when that failed and the run continues."""
        for_good = isinstance(stop, StopForGood)
        patience = stop.within_seconds if isinstance(stop, StopForGood) else 0.0
        last = self._endings.save_last(within_seconds=patience)
        if last.error is None or stop.force or for_good:
            self._stop = command
            return Ending(state=RunState.STOPPED, reason=stop.reason, saved=last)
        result, step = {"state": self._life.state.value}, self._clock.step
        self._pipe.send(
            Outcome(id=command.id, ok=False, step=step, result=result, error=last.error, conflict=True)
        )
        return None

    def _carry_out(self, command: Command) -> dict[str, Any]:
        if command.action in LONG and self._pipe.ending:
            raise Interrupted  # a stop waits behind it
        return self._handlers[type(command.order)](command.order)
