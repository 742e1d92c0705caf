"""Orders from outside, obeyed at a safe point between two steps."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError, SynapsedError
from daemon.interrupting import Interrupted
from daemon.orders import (
    Continue,
    Evaluate,
    Feed,
    Generate,
    Grow,
    Pause,
    SaveCheckpoint,
    Sleep,
    Stop,
    StopForGood,
    ViewGrowth,
)
from daemon.protocol import Command, Outcome, RunState
from daemon.streams.encodings import last_bytes
from daemon.trainer.broken_orders import go_on_without
from daemon.trainer.loop import Ending, Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.trainer.pipe import Pipe
    from daemon.trainer.saving import LastSave

HEARTBEAT_SECONDS = 1.0
SAVE_AGAIN_SECONDS = 2.0
MAX_PROMPT_BYTES = 64 * 1024
# Learning stands still while the brain answers, so an answer that takes longer ends where it is.
ANSWER_SECONDS = 30.0
# What takes more than a moment and leaves nothing behind that was waited for.
LONG = frozenset({"evaluate", "generate", "grow", "growth", "sleep"})


class RefusalError(Exception):
    """The action does not fit the run as it is; the message says why (HTTP 409)."""


class Control:
    """Takes commands off the pipe, answers each with an Outcome, and tells the loop when to end.

    A stop, once ordered, is answered after the final checkpoint, so that its Outcome can name it. One that cannot
    save is refused, unless it says that the end matters more.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._stop: Command | None = None
        self._handlers: dict[type, Callable[[Loop, Any], dict[str, Any]]] = {
            Pause: self._pause,
            Continue: self._continue,
            SaveCheckpoint: self._checkpoint,
            Feed: self._feed,
            Generate: self._generate,
            Evaluate: self._evaluate,
            Grow: self._grow,
            ViewGrowth: self._growth,
            Sleep: self._sleep,
        }
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminate)

    def __call__(self, loop: Loop) -> Ending | None:
        """Obey all that waits; while the run is paused, stay here."""
        while True:
            if (ending := self._obey_waiting(loop)) is not None:
                return ending
            if loop.run_state is not RunState.PAUSED:
                return None
            loop.alive()
            if loop.parts.saver.tick_paused(loop):
                return None
            self._pipe.wait_for_news(HEARTBEAT_SECONDS)

    def answer_stop(self, checkpoint: str | None, step: int, error: str | None) -> None:
        """Answer the order to stop, if there was one."""
        if self._stop is not None:
            result = {"checkpoint": checkpoint} | ({} if error is None else {"not_saved": error})
            self._pipe.say(Outcome(id=self._stop.id, ok=True, step=step, result=result))

    def _terminate(self, *_: object) -> None:
        self._pipe.terminated = True

    def _obey_waiting(self, loop: Loop) -> Ending | None:
        while (command := self._pipe.next_command()) is not None:
            if isinstance(command.order, Stop):
                if (ending := self._end(loop, command, command.order)) is not None:
                    return ending
                continue
            self._pipe.say(self._obey(loop, command))
        if self._pipe.orphaned.is_set():
            return Ending(state=RunState.STOPPED, reason="the supervisor is gone")
        if self._pipe.terminated:
            return Ending(state=RunState.STOPPED, reason="terminated by a signal")
        return None

    def _end(self, loop: Loop, command: Command, stop: Stop) -> Ending | None:
        """The ending that was ordered, with its last save; None when that failed and the run goes on."""
        for_good = isinstance(stop, StopForGood)
        last = save_last(loop, within_seconds=stop.within_seconds if isinstance(stop, StopForGood) else 0.0)
        if last.error is None or stop.force or for_good:
            self._stop = command
            return Ending(state=RunState.STOPPED, reason=stop.reason, saved=last)
        result, error = {"state": loop.run_state.value}, last.error
        self._pipe.say(
            Outcome(id=command.id, ok=False, step=loop.step, result=result, error=error, conflict=True)
        )
        return None

    def _obey(self, loop: Loop, command: Command) -> Outcome:
        journaled = loop.parts.journal.last_sequence
        try:
            result = self._carry_out(loop, command)
        except RefusalError as refusal:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(refusal), conflict=True)
        except Interrupted as interrupted:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(interrupted), conflict=True)
        except (SynapsedError, OSError) as error:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(error))
        except Exception as error:  # noqa: BLE001 - one order that goes wrong must not cost the run its trainer
            says = go_on_without(loop, command.order, error, journaled=journaled)
            return Outcome(id=command.id, ok=False, step=loop.step, error=says)
        return Outcome(id=command.id, ok=True, step=loop.step, result=result)

    def _carry_out(self, loop: Loop, command: Command) -> dict[str, Any]:
        if command.action in LONG and self._pipe.ending:
            raise Interrupted  # a stop waits behind it
        return self._handlers[type(command.order)](loop, command.order)

    def _pause(self, loop: Loop, order: Pause) -> dict[str, Any]:
        if loop.run_state is not RunState.PAUSED:
            loop.pause(order.reason)
        elif loop.parts.saver.stay():
            loop.enter(RunState.PAUSED, order.reason)
        else:
            raise RefusalError("the run is paused already")
        return {"checkpoint": loop.parts.saver.newest()}

    def _continue(self, loop: Loop, order: Continue) -> dict[str, Any]:
        if loop.run_state is not RunState.PAUSED:
            raise RefusalError(f"the run is {loop.run_state.value}, not paused")
        loop.parts.saver.continued()
        loop.enter(loop.state_of_going_on(), order.reason)
        return {}

    def _checkpoint(self, loop: Loop, order: SaveCheckpoint) -> dict[str, Any]:
        return {"checkpoint": loop.parts.saver.save(loop, order.reason)}

    def _feed(self, loop: Loop, order: Feed) -> dict[str, Any]:
        entry = loop.feed(order.text, order.origin)
        return {"sequence": entry.sequence, "effective_step": entry.step}

    def _generate(self, loop: Loop, order: Generate) -> dict[str, Any]:
        prompt = last_bytes(order.prompt, MAX_PROMPT_BYTES)
        deadline = time.monotonic() + ANSWER_SECONDS

        def go_on() -> bool:
            loop.progressed()
            return time.monotonic() < deadline

        with loop.speaking():
            said = loop.parts.voice.answer(
                loop.parts.brain,
                prompt,
                max_bytes=order.max_bytes,
                temperature=order.temperature,
                top_p=order.top_p,
                go_on=go_on,
            )
        return {"text": said.text, "bytes_generated": said.num_bytes}

    def _evaluate(self, loop: Loop, _order: Evaluate) -> dict[str, Any]:
        bpc = loop.evaluate()
        if not bpc:
            raise RefusalError(
                "there is no held-out text to score: the sources are too small or the hold-out is off"
            )
        return {"bpc": bpc, "probe_bpc": loop.parts.probes.measured(loop.parts.brain, loop.progressed)}

    def _grow(self, loop: Loop, order: Grow) -> dict[str, Any]:
        growing = loop.parts.growing
        try:
            plan = growing.plan_by_hand(loop, order.site, order.fraction, order.operator)
        except SettingsError as error:
            raise RefusalError(str(error)) from error
        return growing.grow_by_hand(loop, plan)

    def _growth(self, loop: Loop, order: ViewGrowth) -> dict[str, Any]:
        try:
            return loop.parts.growing.overview(loop, order.fraction)
        except SettingsError as error:
            raise RefusalError(str(error)) from error

    def _sleep(self, loop: Loop, order: Sleep) -> dict[str, Any]:
        steps = loop.parts.config.sleep.steps if order.steps is None else order.steps
        if (why := loop.parts.sleeping.refusal(loop)) is not None:
            raise RefusalError(why)
        return {"effective_step": loop.parts.sleeping.by_hand(loop, steps), "steps": steps}


def save_last(loop: Loop, *, within_seconds: float) -> LastSave:
    """Save for the last time, again and again while there is time."""
    deadline = time.monotonic() + within_seconds
    while True:
        last = loop.parts.saver.save_final(loop)
        if last.error is None or time.monotonic() + SAVE_AGAIN_SECONDS > deadline:
            return last
        loop.alive()
        time.sleep(SAVE_AGAIN_SECONDS)
