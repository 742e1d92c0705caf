"""One life of a trainer: take the run's lock, assemble the parts, learn, say goodbye."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from typing import TYPE_CHECKING, TypeVar

from brain.errors import SynapsedError
from brain.phase_proof import Phased
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.portable import export_pt
from daemon.errors import UsageError
from daemon.events import DegradedChanged, PhaseProven, RunResumed
from daemon.home import Home
from daemon.interrupting import Interrupted
from daemon.system.retry import Retry
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.checkpoints.failing_disk import is_failing_disk
from daemon.trainer.checkpoints.replayed_blocks import blocks_of
from daemon.trainer.life.finishing import finish
from daemon.trainer.link.lock_wait import take_run
from daemon.trainer.link.reporting import Reporter
from daemon.trainer.orders.safe_point import HEARTBEAT_SECONDS
from daemon.trainer_protocol import Goodbye, Ready, RunState, TrainerOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from brain.ports import Brain
    from daemon.checkpoint.run_lock import RunLock
    from daemon.trainer.assembly import Origin
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.parts import Parts

T = TypeVar("T")

EXIT_FAILED = 2


def live(order: TrainerOrder, pipe: Pipe) -> int:
    """Live one session; the exit code of the process.

    A mistake that a restart cannot cure (wrong setting, nothing to read, no sound checkpoint) is named in the
    goodbye; anything unforeseen ends the process, and the supervisor tries again.
    """
    reporter = Reporter(pipe)
    try:
        with contextlib.ExitStack() as stack:
            goodbye = learn(order, pipe, reporter, stack, assembled=leave_out_of_collections)
    except Interrupted:
        goodbye = _unbegun(RunState.STOPPED)
    except (SynapsedError, OSError) as error:
        goodbye = _unbegun(RunState.CRASHED, error)
    reporter.close()
    pipe.send(goodbye)
    return EXIT_FAILED if goodbye.state == RunState.CRASHED else 0


def _unbegun(state: RunState, error: Exception | None = None) -> Goodbye:
    """The goodbye of a session that took no step: the run is where it was."""
    return Goodbye(
        state=state.value,
        step=0,
        samples=0,
        training_seconds=0.0,
        checkpoint=None,
        error=None if error is None else str(error),
        restartable=error is None or isinstance(error, OSError),
        begun=False,
    )


def leave_out_of_collections() -> None:
    """What is here by now stays for life: without it a full collection takes a few milliseconds, not a hundred."""
    gc.collect()
    gc.freeze()


def learn(
    order: TrainerOrder,
    pipe: Pipe,
    reporter: Reporter,
    stack: contextlib.ExitStack,
    *,
    assembled: Callable[[], None] = lambda: None,
) -> Goodbye:
    """Assemble, start, and run the loop to its end; `assembled` is called before its first step."""

    def assemble() -> tuple[Parts, Origin]:
        home = Home.open(order.home)
        if not lock:
            found = take_run(
                home.root, order.run_id, pipe, reporter, lambda reason: _degrade(reporter, reason)
            )
            lock.append(found)
            stack.callback(found.release)
        with building(order):
            return assemble_parts(order, home, pipe, reporter)

    lock: list[RunLock] = []
    parts, origin = wait_for_disk(assemble, pipe, reporter)
    pipe.send(
        Ready(
            pid=origin.pid,
            step=parts.progress.step,
            samples=parts.progress.samples,
            device=str(parts.contents.device),
            num_parameters=parts.brain.num_parameters(),
            num_neurons=parts.brain.num_neurons(),
            sources=[dataclasses.asdict(source) for source in parts.stream.sources],
            module_names=list(getattr(parts.brain, "module_names", ())),
            checkpoint=None if origin.checkpoint is None else origin.checkpoint.name,
            alarms=[event.record() for event in parts.watch.alarms.active()],
        )
    )
    if origin.checkpoint is not None:
        name, step = origin.checkpoint.name, parts.progress.step
        reporter.event(RunResumed(step=step, checkpoint=name, differences=origin.differences))
    if not origin.own:
        parts.saver.save_first()
    parts.erasing.begin()
    assembled()
    goodbye = parts.loop.run(parts.control)
    report_proof(parts.brain, parts.progress.step, reporter)
    home = Home.open(order.home)
    finish(
        parts.brain,
        goodbye,
        home.models,
        evaluate=parts.measuring.evaluate,
        export=lambda name, target: export_pt(
            load(home.checkpoints / name), target, replay_rows=blocks_of(parts.replay)
        ),
        report=reporter,
    )
    parts.control.answer_stop(goodbye.checkpoint, goodbye.step, goodbye.error)
    return goodbye


def report_proof(brain: Brain, step: int, reporter: Reporter) -> None:
    """Compare the weights of a brain that is trained in phases with those its phase began with."""
    if isinstance(brain, Phased) and (proof := brain.proof()) is not None:
        reporter.event(
            PhaseProven(
                step=step,
                phase=proof.phase,
                holds=proof.holds,
                num_frozen=proof.num_frozen,
                num_trained=proof.num_trained,
                moved=list(proof.moved),
                unmoved=list(proof.unmoved),
                without_gradient=list(proof.without_gradient),
            )
        )


def wait_for_disk(work: Callable[[], T], pipe: Pipe, reporter: Reporter, *, retry: Retry | None = None) -> T:
    """Do the first work of a session; wait as long as the disk is full or broken.

    Raises:
        SynapsedError, OSError: it failed for another reason, or the run is to end meanwhile.
    """
    retry = retry or Retry()
    while True:
        try:
            done = work()
        except (SynapsedError, OSError) as error:
            if not is_failing_disk(error):
                raise
            retry.failed()
            _degrade(reporter, f"the run cannot begin: {error}")
            while not retry.due:
                if pipe.ending:
                    raise
                reporter.alive(RunState.STARTING, step=0, samples=0, training_seconds=0.0)
                pipe.wait_for_news(HEARTBEAT_SECONDS)
        else:
            _degrade(reporter, None)
            return done


def _degrade(reporter: Reporter, reason: str | None) -> None:
    if reporter.set_degraded("start", reason):
        reporter.event(DegradedChanged(degraded=reason is not None, reason=reason or "start"))


@contextlib.contextmanager
def building(order: TrainerOrder) -> Iterator[None]:
    """Within, a new run that cannot be built ends with the reason, as it would fail the same way again.

    Raises:
        UsageError: its settings ask for more than there is, or for what does not go together.
    """
    try:
        yield
    except SynapsedError:
        raise
    except (ValueError, OverflowError, MemoryError, RuntimeError) as error:
        allocation = not isinstance(error, RuntimeError) or "alloc" in str(error) or "memory" in str(error)
        if order.checkpoint is not None or not allocation:
            raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UsageError(f"the brain cannot be built with these settings: {reason}") from error
