"""A trainer without torch that does what `script.json` in its home asks for: learn, crash, hang, ignore orders.

Keys of the script: `sessions` (the faults below happen in sessions up to this number only),
`crash_at_step`, `segfault_at_step`, `hang_at_step`, `finish_at_step`, `refuse` (a goodbye that no restart
can help), `ignores_orders`, `disk_full` (there is no last checkpoint), `conflict` (words for grow, forget and
sleep), `step_seconds`, `alarm_at_step` and `clear_at_step` (agency is low between them), `alarms` (raised
before the checkpoint it resumes).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from daemon.checkpoint.manifest import FILES, STATE, Environment, Manifest, read_manifest, timestamp_of
from daemon.checkpoint.run_lock import RunLock
from daemon.events import AlarmCleared, AlarmRaised, CheckpointSaved, ExperiencePushed, StateChanged
from daemon.orders import (
    Continue,
    Feed,
    Forget,
    Generate,
    Grow,
    Pause,
    SaveCheckpoint,
    Sleep,
    Stop,
    StopForGood,
    ViewGrowth,
)
from daemon.system.durable import FileRecord
from daemon.trainer_protocol import Command, Goodbye, Outcome, Ready, Report, TrainerOrder

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

ENTRY = "tests.unit.daemon.supervisor.scripted_trainer:main"
FULL = "The checkpoint could not be saved (No space left on device)"
FIRST_NAME = 1_700_000_000


def write_script(home: Path, **script: Any) -> None:
    (home / "script.json").write_text(json.dumps(script))


def save_checkpoint(
    folder: Path, run_id: str, *, session: int, step: int, reason: str, config: dict[str, Any]
) -> Path:
    """A checkpoint that the catalogue takes for sound, with nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    sequence = len(list(folder.iterdir())) + 1
    path = folder / f"continuous_{FIRST_NAME + sequence}"
    path.mkdir()
    records = {}
    for name in FILES:
        content = json.dumps({"config": config}).encode() if name == STATE else f"{name} {step}".encode()
        (path / name).write_bytes(content)
        records[name] = FileRecord(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    created = float(FIRST_NAME + sequence)
    manifest = Manifest(
        run_id=run_id,
        session=session,
        sequence=sequence,
        step=step,
        samples=step * 32,
        created=created,
        timestamp=timestamp_of(created),
        reason=reason,
        spec={"kind": "synapse"},
        environment=Environment(),
        metrics={"bpc": 3.0},
        files=records,
    )
    (path / "MANIFEST.json").write_bytes(manifest.to_bytes())
    return path


class ScriptedTrainer:
    def __init__(self, order: TrainerOrder, connection: Connection) -> None:
        self.order = order
        self.connection = connection
        script: dict[str, Any] = {}
        if (order.home / "script.json").exists():
            script = json.loads((order.home / "script.json").read_text())
        self.is_faulty = order.session <= script.get("sessions", 10**9)
        self.script = script
        self.state = "running"
        self.step = read_manifest(order.checkpoint).step if order.checkpoint else 0
        self.checkpoint = order.checkpoint.name if order.checkpoint else None
        self.events: list[dict[str, Any]] = []

    def live(self) -> None:
        if "refuse" in self.script:
            self.say_goodbye("crashed", error=self.script["refuse"], restartable=False)
            sys.exit(2)
        self.connection.send(
            Ready(
                pid=os.getpid(),
                step=self.step,
                samples=self.step * 32,
                device="cpu",
                num_parameters=1000,
                num_neurons=10,
                sources=[{"name": "stdlib"}],
                module_names=["a"],
                checkpoint=self.checkpoint,
                alarms=[alarm(step).record() for step in self.script.get("alarms", ())],
            )
        )
        if self.checkpoint is None:
            self.save("first")
        self.enter("running", "starting")
        while True:
            if self.state == "running":
                self.learn()
            else:
                self.report()
            self.fail_as_scripted()
            if self.script.get("finish_at_step") == self.step:
                self.end("finished", None)
            if self.connection.poll(self.script.get("step_seconds", 0.005)):
                try:
                    command = self.connection.recv()
                except EOFError:
                    self.end("stopped", None)
                if not self.script.get("ignores_orders"):
                    self.obey(command)

    def learn(self) -> None:
        self.step += 1
        if self.step == self.script.get("alarm_at_step"):
            self.events.append(alarm(self.step).record())
        if self.step == self.script.get("clear_at_step"):
            raised = self.script["alarm_at_step"]
            cleared = AlarmCleared(step=self.step, alarm="agency_low", sign="agency", raised_step=raised)
            self.events.append(cleared.record())
        self.report(
            columns={
                "step": [self.step],
                "time": [time.time()],
                "bpc": [8.0 / self.step],
                "replay_bpc": [float("nan")],
            }
        )

    def report(self, columns: dict[str, list[float]] | None = None) -> None:
        events, self.events = self.events, []
        self.connection.send(
            Report(
                state=self.state,
                step=self.step,
                samples=self.step * 32,
                training_seconds=self.step * 0.01,
                columns=columns or {},
                points=[("held_out_bpc/stdlib", self.step, time.time(), 3.5)] if self.step % 5 == 0 else [],
                readings=[{"name": "phi", "value": None, "reason": "not implemented", "step": self.step}],
                events=events,
                sample=f"sample {self.step}" if self.step % 10 == 0 else None,
            )
        )

    def fail_as_scripted(self) -> None:
        if not self.is_faulty:
            return
        if self.step == self.script.get("crash_at_step"):
            print("RuntimeError: as scripted", file=sys.stderr, flush=True)
            os._exit(3)
        if self.step == self.script.get("segfault_at_step"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.step == self.script.get("work_at_step"):
            until = time.process_time() + self.script["work_seconds"]
            while time.process_time() < until:
                pass
        if self.step == self.script.get("hang_at_step"):
            while True:
                time.sleep(60)

    def obey(self, command: Command) -> None:
        result: dict[str, Any] = {}
        match command.order:
            case Stop(force=force) if self.script.get("disk_full"):
                if force or isinstance(command.order, StopForGood):
                    self.say_goodbye("stopped", error=FULL)
                    sys.exit(0)
                result = {"state": self.state}
                self.answer(
                    Outcome(id=command.id, ok=False, step=self.step, result=result, error=FULL, conflict=True)
                )
                return
            case Stop():
                self.end("stopped", command)
            case Pause():
                self.save("pause")
                self.enter("paused", "running")
            case Continue():
                self.enter("running", "paused")
            case SaveCheckpoint():
                result = {"checkpoint": self.save("manual")}
            case Feed(text=text):
                data = text.encode()
                event = ExperiencePushed(step=self.step, num_bytes=len(data), origin="api")
                self.events.append(event.record())
                result = {"sequence": 1, "effective_step": self.step}
            case Generate(prompt=prompt):
                result = {"text": prompt + "!", "bytes_generated": 1}
            case ViewGrowth():
                result = self.script.get("growth", {})
            case Grow() if "grown" in self.script:
                result = {**dataclasses.asdict(command.order), **self.script["grown"]}
            case Grow() | Sleep() | Forget():
                words = self.script.get("conflict", "not available for this brain")
                self.answer(Outcome(id=command.id, ok=False, step=self.step, error=words, conflict=True))
                return
        self.report()
        self.answer(Outcome(id=command.id, ok=True, step=self.step, result=result))

    def end(self, state: str, stop: Command | None) -> None:
        self.enter("stopping", self.state)
        name = self.save("final")
        self.enter(state, "stopping")
        self.report()
        if stop is not None:
            self.answer(Outcome(id=stop.id, ok=True, step=self.step, result={"checkpoint": name}))
        self.say_goodbye(state)
        sys.exit(0)

    def enter(self, state: str, before: str) -> None:
        self.state = state
        self.events.append(StateChanged(step=self.step, before=before, after=state).record())

    def save(self, reason: str) -> str:
        path = save_checkpoint(
            self.order.home / "checkpoints",
            self.order.run_id,
            session=self.order.session,
            step=self.step,
            reason=reason,
            config=self.order.config,
        )
        event = CheckpointSaved(
            step=self.step,
            checkpoint=path.name,
            path=str(path),
            reason=reason,
            size_bytes=100,
            stall_seconds=0.0,
            seconds=0.0,
            metrics={"bpc": 3.0},
            timestamp=float(path.name.removeprefix("continuous_")),
        )
        self.events.append(event.record())
        self.checkpoint = path.name
        return path.name

    def answer(self, outcome: Outcome) -> None:
        self.connection.send(outcome)

    def say_goodbye(self, state: str, error: str | None = None, restartable: bool = True) -> None:
        self.connection.send(
            Goodbye(
                state=state,
                step=self.step,
                samples=self.step * 32,
                training_seconds=self.step * 0.01,
                checkpoint=self.checkpoint,
                error=error,
                restartable=restartable,
            )
        )


def alarm(step: int) -> AlarmRaised:
    return AlarmRaised(
        step=step,
        alarm="agency_low",
        level="warning",
        sign="agency",
        cause="No sense of control: agency is below 0.3",
        remedy="Raise the learning rate",
        value=0.21,
    )


def main(order: TrainerOrder, connection: Connection) -> None:
    assert "torch" not in sys.modules or "multiprocessing.forkserver" in sys.modules
    with RunLock(order.home, order.run_id, timeout_seconds=5.0):
        try:
            ScriptedTrainer(order, connection).live()
        except (BrokenPipeError, ConnectionResetError):
            sys.exit(0)
