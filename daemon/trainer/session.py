"""One life of a trainer: take the run's lock, assemble the parts, learn, say goodbye."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from brain.errors import SynapsedError
from daemon.checkpoint.run_lock import RunLock
from daemon.events import RunResumed
from daemon.home import Home
from daemon.protocol import Goodbye, Ready, RunState, TrainerOrder
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.control import Control
from daemon.trainer.loop import Loop
from daemon.trainer.pipe import Pipe
from daemon.trainer.reporting import Reporter

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LOCK_TIMEOUT_SECONDS = 60.0
EXIT_FAILED = 2


def live(order: TrainerOrder, connection: Connection) -> int:
    """Live one session; the exit code of the process.

    A mistake that a restart cannot cure (wrong setting, nothing to read, no sound checkpoint) is said in the
    goodbye; anything unforeseen ends the process, and the supervisor tries again.
    """
    pipe = Pipe(connection)
    reporter = Reporter(pipe)
    try:
        with contextlib.ExitStack() as stack:
            goodbye = learn(order, pipe, reporter, stack)
    except (SynapsedError, OSError) as error:
        goodbye = Goodbye(
            state=RunState.CRASHED.value,
            step=0,
            samples=0,
            training_seconds=0.0,
            checkpoint=None,
            error=str(error),
            restartable=isinstance(error, OSError),
        )
    reporter.close()
    pipe.say(goodbye)
    return EXIT_FAILED if goodbye.state == RunState.CRASHED else 0


def learn(order: TrainerOrder, pipe: Pipe, reporter: Reporter, stack: contextlib.ExitStack) -> Goodbye:
    """Assemble, begin, loop to the end."""
    home = Home.open(order.home)
    stack.enter_context(RunLock(home.root, order.run_id, timeout_seconds=LOCK_TIMEOUT_SECONDS))
    parts, origin = assemble_parts(order, home, pipe, reporter)
    control, loop = Control(pipe), Loop(parts)
    pipe.say(
        Ready(
            pid=origin.pid,
            step=parts.state.step,
            samples=parts.state.samples,
            device=str(parts.device),
            num_parameters=parts.brain.num_parameters(),
            num_neurons=parts.brain.num_neurons(),
            sources=[dataclasses.asdict(source) for source in parts.stream.sources],
            module_names=list(getattr(parts.brain, "module_names", ())),
            checkpoint=origin.checkpoint,
            alarms=[event.record() for event in parts.watch.alarms.active()],
        )
    )
    if origin.checkpoint is None:
        parts.saver.save(loop, "first")  # so that there is always one to resume
    else:
        parts.saver.remember(origin.checkpoint)
        reporter.event(
            RunResumed(step=loop.step, checkpoint=origin.checkpoint, differences=origin.differences)
        )
    goodbye = loop.run(control)
    control.answer_stop(goodbye.checkpoint, goodbye.step, goodbye.error)
    return goodbye
