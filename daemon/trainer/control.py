"""Orders from outside, obeyed at a safe point between two steps."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError, SynapsedError
from brain.sleep.config import MAX_SLEEP_STEPS
from daemon.protocol import Command, Outcome, RunState
from daemon.streams.encodings import last_bytes
from daemon.trainer.interrupting import Interrupted
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
        self._handlers: dict[str, Callable[[Loop, dict[str, Any]], dict[str, Any]]] = {
            "pause": self._pause,
            "continue": self._continue,
            "checkpoint": self._checkpoint,
            "feed": self._feed,
            "generate": self._generate,
            "evaluate": self._evaluate,
            "grow": self._grow,
            "growth": self._growth,
            "sleep": self._sleep,
            "set": self._not_available,
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
            if command.action == "stop":
                if (ending := self._end(loop, command)) is not None:
                    return ending
                continue
            self._pipe.say(self._obey(loop, command))
        if self._pipe.orphaned.is_set():
            return Ending(state=RunState.STOPPED, reason="the supervisor is gone")
        if self._pipe.terminated:
            return Ending(state=RunState.STOPPED, reason="terminated by a signal")
        return None

    def _end(self, loop: Loop, stop: Command) -> Ending | None:
        """The ending that was ordered, with its last save; None when that failed and the run goes on."""
        before = loop.run_state
        reason = str(stop.arguments.get("reason", "stopped by hand"))
        loop.enter(RunState.STOPPING, reason)
        arguments = stop.arguments
        last = save_last(loop, within_seconds=float(arguments.get("within_seconds", 0.0)))
        if last.error is None or arguments.get("force") or "within_seconds" in arguments:
            self._stop = stop
            return Ending(state=RunState.STOPPED, reason=reason, saved=last)
        loop.enter(before, "not stopped: the last checkpoint could not be saved")
        result, error = {"state": before.value}, last.error
        self._pipe.say(
            Outcome(id=stop.id, ok=False, step=loop.step, result=result, error=error, conflict=True)
        )
        return None

    def _obey(self, loop: Loop, command: Command) -> Outcome:
        try:
            result = self._carry_out(loop, command)
        except RefusalError as refusal:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(refusal), conflict=True)
        except Interrupted as interrupted:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(interrupted), conflict=True)
        except (SynapsedError, OSError) as error:
            return Outcome(id=command.id, ok=False, step=loop.step, error=str(error))
        return Outcome(id=command.id, ok=True, step=loop.step, result=result)

    def _carry_out(self, loop: Loop, command: Command) -> dict[str, Any]:
        if command.action in LONG and self._pipe.ending:
            raise Interrupted  # a stop waits behind it
        return self._handlers[command.action](loop, command.arguments)

    def _pause(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        if loop.run_state is RunState.PAUSED:
            raise RefusalError("the run is paused already")
        loop.pause(arguments.get("reason", "paused by hand"))
        return {"checkpoint": loop.parts.saver.newest()}

    def _continue(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        if loop.run_state is not RunState.PAUSED:
            raise RefusalError(f"the run is {loop.run_state.value}, not paused")
        loop.parts.saver.continued()
        loop.enter(loop.state_of_going_on(), arguments.get("reason", "continued by hand"))
        return {}

    def _checkpoint(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"checkpoint": loop.parts.saver.save(loop, arguments.get("reason", "manual"))}

    def _feed(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        entry = loop.feed(arguments["text"], arguments.get("origin", "api"))
        return {"sequence": entry.sequence, "effective_step": entry.step}

    def _generate(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        prompt = last_bytes(arguments["prompt"], MAX_PROMPT_BYTES)
        deadline = time.monotonic() + ANSWER_SECONDS

        def go_on() -> bool:
            loop.progressed()
            return time.monotonic() < deadline

        with loop.speaking():
            said = loop.parts.voice.answer(
                loop.parts.brain,
                prompt,
                max_bytes=arguments["max_bytes"],
                temperature=arguments["temperature"],
                top_p=arguments["top_p"],
                go_on=go_on,
            )
        return {"text": said.text, "bytes_generated": said.num_bytes}

    def _evaluate(self, loop: Loop, _arguments: dict[str, Any]) -> dict[str, Any]:
        bpc = loop.evaluate()
        if not bpc:
            raise RefusalError(
                "there is no held-out text to score: the sources are too small or the hold-out is off"
            )
        return {"bpc": bpc, "probe_bpc": loop.parts.probes.measured(loop.parts.brain, loop.progressed)}

    def _grow(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        growing = loop.parts.growing
        try:
            plan = growing.plan_by_hand(
                loop, arguments.get("site"), arguments.get("fraction"), arguments.get("operator", "widen")
            )
        except SettingsError as error:
            raise RefusalError(str(error)) from error
        return growing.grow_by_hand(loop, plan)

    def _growth(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return loop.parts.growing.overview(loop, arguments.get("fraction"))
        except SettingsError as error:
            raise RefusalError(str(error)) from error

    def _sleep(self, loop: Loop, arguments: dict[str, Any]) -> dict[str, Any]:
        steps = arguments.get("steps", loop.parts.config.sleep.steps)
        if not isinstance(steps, int) or not 1 <= steps <= MAX_SLEEP_STEPS:
            raise RefusalError(f"steps = {steps!r}: a whole number from 1 to {MAX_SLEEP_STEPS} is expected")
        if (why := loop.parts.sleeping.refusal(loop)) is not None:
            raise RefusalError(why)
        return {"effective_step": loop.parts.sleeping.by_hand(loop, steps), "steps": steps}

    def _not_available(self, _loop: Loop, _arguments: dict[str, Any]) -> dict[str, Any]:
        raise RefusalError("not available for this brain")


def save_last(loop: Loop, *, within_seconds: float) -> LastSave:
    """Save for the last time, again and again while there is time."""
    deadline = time.monotonic() + within_seconds
    while True:
        last = loop.parts.saver.save_final(loop)
        if last.error is None or time.monotonic() + SAVE_AGAIN_SECONDS > deadline:
            return last
        loop.alive()
        time.sleep(SAVE_AGAIN_SECONDS)
