"""Alarms of runs: opened and closed by what their trainers report, listed and acknowledged by people.

Writing never waits. Reading touches the disk, so the event loop does it in a thread.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from brain.nearest_name import did_you_mean
from daemon.errors import NotFoundError
from daemon.events import AlarmAcknowledged, AlarmCleared, AlarmRaised, StopHinted
from daemon.missing_run import LOOKED_THROUGH
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.store.store import Store
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.run_registry import RunRegistry

Record = dict[str, Any]

ABOUT_ALARMS = (AlarmRaised.kind(), StopHinted.kind(), AlarmCleared.kind())
STOP_HINT = "stop_hint"
FLUSH_SECONDS = 2.0


class ActiveAlarms:
    """The alarms raised in each run that learned since the daemon started, and the rows of all.

    An alarm's id is made of its run, kind and step, so that one that goes up again at the same step after a
    crash is the same alarm, acknowledged or not.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._up: dict[str, dict[str, Record]] = {}  # run → kind → the record that raised it

    def follow(self, run: LiveRun | None, record: Record) -> None:
        """Take note of an event about an alarm; others change nothing."""
        if run is None or record["kind"] not in ABOUT_ALARMS:
            return
        up, kind = self._up.setdefault(run.id, {}), kind_of(record)
        if record["kind"] != AlarmCleared.kind():
            if kind in up and up[kind]["step"] != record["step"]:
                self._clear(run, kind)
            up[kind] = record
            self._open(run, kind, record)
        else:
            up.pop(kind, None)
            self._clear(run, kind)

    def begin_session(self, run: LiveRun, records: Sequence[Record]) -> list[Record]:
        """A trainer resumed a checkpoint with these alarms raised; what changed by that, as event records.

        The checkpoint may be older than what the rows say, or another run's.
        """
        known = run.id in self._up
        before = self._up.setdefault(run.id, {})
        now_up = {kind_of(record): record for record in records}
        if not known:
            # Of earlier lives of the daemon; those still up are opened again.
            self._store.clear_alarms(run.id)
        changed = [
            AlarmCleared(
                step=run.step, alarm=kind, sign=record["data"].get("sign", ""), raised_step=record["step"]
            ).record(now=self._now())
            for kind, record in before.items()
            if kind not in now_up
        ]
        return changed + [record for kind, record in now_up.items() if not known or kind not in before]

    def listed(
        self, run_id: str | None, *, active: bool, cursor: str | None, limit: int
    ) -> tuple[list[Record], str | None]:
        """Alarms in the API's form, newest first, and where the list continues."""
        self._store.flush(FLUSH_SECONDS)  # who asks after an event expects to see it
        page = self._store.alarms(run_id, active=active, cursor=cursor, limit=limit)
        return [view(row) for row in page.items], page.next

    def acknowledge(self, alarm_id: str) -> tuple[Record, bool]:
        """Note that a person has seen an alarm; the alarm, and whether this was the first time.

        Raises:
            NotFoundError: there is none of that id.
        """
        self._store.flush(FLUSH_SECONDS)
        row = self._store.alarm(alarm_id)
        if row is None:
            known = [row["id"] for row in self._store.alarms(None, active=False, limit=LOOKED_THROUGH).items]
            hint = did_you_mean(alarm_id, known, otherwise="list them: synapsed alarms --all")
            raise NotFoundError(f"there is no alarm {one_line(alarm_id)}{hint}")
        if row["acknowledged_at"] is not None:
            return view(row), False
        moment = self._now()
        self._store.put_alarm(alarm_id, acknowledged_at=moment)
        return view({**row, "acknowledged_at": moment.astimezone(UTC).isoformat()}), True

    def _open(self, run: LiveRun, kind: str, record: Record) -> None:
        data = record["data"]
        self._store.put_alarm(
            f"{run.id}.{kind}.{record['step']}",
            run=run.id,
            session=run.session,
            kind=kind,
            severity=record["severity"],
            step=record["step"],
            message=record["message"],
            cause=data["cause"],
            remedy=data["remedy"],
            data={"sign": data.get("sign"), "value": data.get("value")},
            raised_at=record["time"],
            cleared_at=None,
        )

    def _clear(self, run: LiveRun, kind: str) -> None:
        self._store.clear_alarms(run.id, kind=kind, at=self._now())


class Acknowledging:
    """Acknowledges alarms, and publishes it."""

    def __init__(self, alarms: ActiveAlarms, runs: RunRegistry, publisher: Publisher) -> None:
        self._alarms = alarms
        self._runs = runs
        self._publisher = publisher

    async def alarm(self, alarm_id: str) -> Record:
        """Note that a person has seen it; the alarm in the API's form.

        Raises:
            NotFoundError: there is none of that id.
        """
        alarm, first = await asyncio.to_thread(self._alarms.acknowledge, alarm_id)
        if first:
            run = await self._runs.look_up(alarm["run"])
            acknowledged = AlarmAcknowledged(step=alarm["step"], id=alarm_id, alarm=alarm["kind"])
            self._publisher.publish(run, acknowledged)
        return alarm


def kind_of(record: Record) -> str:
    """Which alarm an event is about; the stop hint is one, though its event has another form."""
    return str(record["data"].get("alarm", STOP_HINT))


def view(row: Record) -> Record:
    """An Alarm of the API."""
    data = row["data"] or {}
    kept = {name: value for name, value in row.items() if name != "data"}
    return {**kept, "sign": data.get("sign"), "value": data.get("value")}
