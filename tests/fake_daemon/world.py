"""What the scripted daemon is made of: its runs, events, checkpoints, jobs, and the clients that listen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.fake_daemon.contract import frame_faults
from tests.fake_daemon.run import START, FakeRun, clock_time, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOSTILE = '<img src="x" onerror="document.title=\'owned\'"><b>bold</b>'


@dataclass(kw_only=True)
class FakeDaemon:
    """One life of the fake: its runs, events, checkpoints and clients."""

    epoch: str = "e1"
    steps_per_tick: int = 2
    tick_seconds: float = 0.1
    heartbeat_seconds: float = 5.0
    runs: dict[str, FakeRun] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    clients: set[asyncio.Queue[dict[str, Any]]] = field(default_factory=set)
    operations: list[dict[str, Any]] = field(default_factory=list)
    ends_as: str = "stopped"  # the state of a run that was asked to stop
    at_once: bool = True  # whether commands are answered when they are done; else they are asked for again
    generated: str = f"{HOSTILE} and more"
    probability: float | None = None  # of the generated text, if that is an answer
    url: str = ""  # of the server that answers for it
    on_shutdown: Callable[[], None] = field(default=lambda: None)
    # What it was asked, for tests: (method, path below /api/v1, body or query), and the headers.
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    # What a test has it answer instead: (method, path) → (status, document).
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    drift: list[str] = field(default_factory=list)  # answers that the real API would not give

    @classmethod
    def small(cls) -> FakeDaemon:
        """A daemon with one run that stands still, an event and a job."""
        daemon = cls(steps_per_tick=0, generated=" there", at_once=False)
        run = FakeRun(
            id="r-1",
            name="first",
            preset="tiny",
            step=1234,
            training_seconds=154.2,
            sample="once upon",
            latest={"bpc": 2.914, "phi": None},
        )
        daemon.add(run)
        daemon.save(run, reason="auto", name="continuous_1706123456")
        daemon.jobs = [daemon.job("backup", "Copy the database", "every 24 h", None)]
        return daemon

    @classmethod
    def furnished(cls, *, step: int = 5200) -> FakeDaemon:
        """A daemon with a run in the middle of its life and some history behind it."""
        daemon = cls()
        daemon.add(
            FakeRun(
                id="r-20260228-090000-1a2b", name="first words", state="finished", step=2000, hours_ago=27
            )
        )
        daemon.add(
            FakeRun(
                id="r-20260228-200000-9c0d",
                name="larger lanes",
                state="crashed",
                step=812,
                hours_ago=16,
                reason="the trainer was killed (out of memory)",
            )
        )
        run = FakeRun(
            id="r-20260301-120000-7f3a",
            name="night shift",
            step=step,
            sample="def forward(self, x):\n    return ",
        )
        daemon.add(run)
        daemon.note(run, "state_changed", "starting → running", step=0, before="starting", after="running")
        for at in range(0, step + 1, 1000):
            daemon.save(run, at=at, reason="first" if at == 0 else "auto")
        daemon.note(
            run,
            "checkpoint_failed",
            "Checkpoint not saved (No space left on device); trying again in 30 s",
            "error",
            step - 20,
        )
        daemon.note(run, "source_changed", "Source notes changed: 3 files are new", "warning", step - 10)
        daemon.note(run, "experience_pushed", f"40 bytes of experience from api: {HOSTILE!r}", step=step - 5)
        daemon.jobs = [
            daemon.job(
                "evaluation", "Score a slice of the held-out set", "every 10 min", "checked 3 sources"
            ),
            daemon.job("pruning", "Prune checkpoints by the retention rules", "every 1 h", None),
            daemon.job("upkeep", "Vacuum and analyse the database", "daily at 04:30", "ran in 0.8 s"),
        ]
        return daemon

    @property
    def port(self) -> int:
        """That it answers on."""
        return urlsplit(self.url).port or 0

    @property
    def seen(self) -> list[Any]:
        """Bodies of what it was asked to do."""
        return [body for method, _, body in self.asked if method != "GET"]

    def refuse(self, method: str, path: str, status: int, detail: str, **more: Any) -> None:
        """From now on answer this with a problem."""
        self.answers[method, path] = (status, problem_body(status, detail, **more))

    def operate(
        self, run: FakeRun | None, action: str, result: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A new operation that is done."""
        operation = {
            "id": f"op-{len(self.operations) + 1}",
            "run": run.id if run else None,
            "action": action,
            "state": "done",
            "result": {"step": run.step if run else 0, **(result or {})},
            "error": None,
            "created_at": START.isoformat(),
            "finished_at": START.isoformat(),
        }
        self.operations.append(operation)
        return operation

    @staticmethod
    def job(name: str, summary: str, trigger: str, outcome: str | None) -> dict[str, Any]:
        """A Job of the schedule."""
        last = START.isoformat() if outcome else None
        return {
            "id": name,
            "summary": summary,
            "trigger": trigger,
            "next_run": "2030-01-01T04:30:00+00:00",
            "paused": False,
            "last_run": last,
            "last_outcome": outcome,
        }

    def add(self, run: FakeRun) -> None:
        """Add a run and publish it."""
        self.runs[run.id] = run
        self.publish({"type": "run", "run": run.view()})

    def delete(self, run: FakeRun) -> dict[str, Any]:
        """Remove a run with its checkpoints and publish that."""
        own = [one for one in self.checkpoints if one["run"] == run.id]
        self.checkpoints = [one for one in self.checkpoints if one not in own]
        del self.runs[run.id]
        freed = sum(one["size_bytes"] for one in own)
        gone = {
            "run": run.id,
            "name": run.name,
            "num_checkpoints": len(own),
            "freed_bytes": freed,
            "kept_for": [],
        }
        self.note(None, "run_deleted", f"Run {run.name} ({run.id}) deleted", **gone)
        return gone

    def publish(self, frame: dict[str, Any]) -> None:
        """Send a frame to every client."""
        self.drift += frame_faults(frame)
        for client in self.clients:
            client.put_nowait(frame)

    def note(
        self,
        run: FakeRun | None,
        /,
        kind: str,
        message: str,
        severity: str = "info",
        step: int | None = None,
        **data: Any,
    ) -> None:
        """Record and publish an event."""
        at = step if step is not None else (run.step if run else None)
        event = {
            "seq": len(self.events) + 1,
            "run": run.id if run else None,
            "session": run.session if run else None,
            "kind": kind,
            "severity": severity,
            "step": at,
            "time": clock_time(at or 0),
            "message": message,
            "data": data,
        }
        self.events.append(event)
        self.publish({"type": "event", **event})

    def alarm(self, run: FakeRun, kind: str, severity: str, cause: str, remedy: str) -> dict[str, Any]:
        """Raise a scripted alarm and publish it."""
        made = {
            "id": f"{run.id}.{kind}.{run.step}",
            "run": run.id,
            "session": run.session,
            "kind": kind,
            "severity": severity,
            "step": run.step,
            "sign": "agency",
            "value": 0.213,
            "message": f"{cause} → {remedy}",
            "cause": cause,
            "remedy": remedy,
            "raised_at": START.isoformat(),
            "cleared_at": None,
            "acknowledged_at": None,
        }
        self.alarms.append(made)
        self.note(run, "alarm_raised", str(made["message"]), severity, alarm=kind)
        return made

    def clear(self, run: FakeRun, alarm: dict[str, Any]) -> None:
        """An alarm of the script holds no more."""
        alarm["cleared_at"] = START.isoformat()
        self.note(run, "alarm_cleared", f"Alarm {alarm['kind']} cleared", alarm=alarm["kind"])

    def save(self, run: FakeRun, *, reason: str, at: int | None = None, name: str | None = None) -> str:
        """Commit a checkpoint of the script."""
        step = run.step if at is None else at
        name = name or f"continuous_{int(moment(step))}"
        self.checkpoints.insert(
            0,
            {
                "id": name,
                "name": name,
                "run": run.id,
                "session": run.session,
                "step": step,
                "samples": step * 32,
                "created_at": clock_time(step),
                "reason": reason,
                "size_bytes": 24_117_248 + step,
                "bpc": 2.1,
                "recent_bpc": 2.1,
                "pinned": False,
                "verified": True,
                "best": False,
                "path": f"checkpoints/{name}",
            },
        )
        run.checkpoint = name
        self.note(
            run,
            "checkpoint_saved",
            f"[Checkpoint] Saved to checkpoints/{name} ({reason})",
            step=step,
            checkpoint=name,
            path=f"checkpoints/{name}",
            reason=reason,
        )
        return name

    def set_state(self, run: FakeRun, state: str) -> None:
        """Move a run to another state and publish it."""
        before, run.state = run.state, state
        self.note(run, "state_changed", f"{before} → {state}", before=before, after=state)
        self.publish({"type": "run", "run": run.view()})

    async def live(self) -> None:
        """Learn, a few steps a tick, while anything runs; a heartbeat now and then."""
        since_heartbeat = 0.0
        while True:
            await asyncio.sleep(self.tick_seconds)
            for run in self.runs.values():
                if run.state == "running" and self.steps_per_tick:
                    first = run.step + 1
                    run.step += self.steps_per_tick
                    self.publish(run.delta(first, run.step))
            since_heartbeat += self.tick_seconds
            if since_heartbeat >= self.heartbeat_seconds:
                since_heartbeat = 0.0
                self.publish({"type": "heartbeat", "time": clock_time(0)})


def problem_body(
    status: int, detail: str, *, errors: list[dict[str, str]] | None = None, request_id: str = "q-1"
) -> dict[str, Any]:
    """An RFC 9457 problem."""
    return {
        "type": "about:blank",
        "title": "Refused",
        "status": status,
        "detail": detail,
        "instance": "/",
        "request_id": request_id,
        "errors": errors or [],
    }
