"""The live feed: what happens, to every client, as fast as each can take it; training never waits for one.

One client: hello → welcome → snapshot, or the events it missed → delta, event, run, operation, heartbeat,
gap → bye.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from daemon.api.mailbox import OVERFLOW_SECONDS, Mailbox
from daemon.api.wire_json import dumps
from daemon.supervisor.audiences.backlog import Frame
from daemon.supervisor.clock import Clock, SystemClock

if TYPE_CHECKING:
    from daemon.api.ports import Schedule
    from daemon.store.store import Store
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.run_rows import RunRows

logger = logging.getLogger(__name__)

SUBPROTOCOL = "synapsed.v1"
RECENT_EVENTS = 2_000
SNAPSHOT_EVENTS = 100
REPLAY_LIMIT = 10_000
CLOSE_OVERFLOW, CLOSE_GOING_AWAY, CLOSE_POLICY = 1013, 1001, 1008


@dataclass(frozen=True, kw_only=True)
class FeedTiming:
    """How often and how long."""

    hello_seconds: float = 5.0
    heartbeat_seconds: float = 5.0
    overflow_seconds: float = OVERFLOW_SECONDS
    closing_seconds: float = 5.0


@dataclass(frozen=True)
class Hello:
    """A client's first frame: what it has seen already, and which run it wants."""

    epoch: str | None = None
    seq: int | None = None
    run: str | None = None


class Hub:
    """An Audience of the supervisor that keeps a mailbox for each client."""

    def __init__(
        self,
        runs: RunRegistry,
        rows: RunRows,
        store: Store,
        *,
        schedule: Schedule,
        clock: Clock | None = None,
        timing: FeedTiming | None = None,
    ) -> None:
        self.epoch = secrets.token_hex(8)
        self.dropped_clients = 0
        self._runs = runs
        self._rows = rows
        self._store = store
        self._schedule = schedule
        self._clock = clock or SystemClock()
        self._timing = timing or FeedTiming()
        self._clients: dict[Mailbox, str | None] = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT_EVENTS)
        self._closing: str | None = None
        self._served = asyncio.Event()

    @property
    def num_clients(self) -> int:
        """Clients that listen now."""
        return len(self._clients)

    # -- Audience --------------------------------------------------------------------------------------------

    def on_run(self, run: dict[str, Any]) -> None:
        """To every client that follows this run."""
        self._publish({"type": "run", "run": run}, run["id"])

    def on_delta(self, delta: dict[str, Any]) -> None:
        """To every client that follows this run."""
        self._publish({"type": "delta", **delta}, delta["run"])

    def on_event(self, event: dict[str, Any]) -> None:
        """To every client, and kept for those that reconnect."""
        self._recent.append(event)
        self._publish({"type": "event", **event}, event["run"])

    def on_operation(self, operation: dict[str, Any]) -> None:
        """To every client that follows this run."""
        self._publish({"type": "operation", **operation}, operation["run"])

    def _publish(self, frame: Frame, run: str | None) -> None:
        for mailbox, wanted in self._clients.items():
            if wanted is None or run is None or wanted == run:
                try:
                    mailbox.put(frame)
                except Exception:
                    logger.exception("a client of the live feed is closed: its mailbox failed")
                    mailbox.close("its mailbox failed: reconnect with the last seq")

    # -- clients ---------------------------------------------------------------------------------------------

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it goes, is too slow, or the daemon ends."""
        if SUBPROTOCOL not in websocket.scope.get("subprotocols", []):
            await websocket.accept()
            await self._close(websocket, CLOSE_POLICY, f"ask for the subprotocol {SUBPROTOCOL}")
            return
        await websocket.accept(subprotocol=SUBPROTOCOL)
        hello = await self._hello(websocket)
        if hello is None:
            return
        mailbox = Mailbox(monotonic=self._clock.monotonic)
        self._clients[mailbox] = hello.run
        if self._closing is not None:
            mailbox.close(self._closing)
        try:
            await self._converse(websocket, mailbox, hello)
        finally:
            del self._clients[mailbox]
            if not self._clients:
                self._served.set()

    async def close(self, reason: str) -> None:
        """Send bye to everybody, and wait a moment for it to arrive."""
        self._closing = reason
        self._served.clear()
        for mailbox in self._clients:
            mailbox.close(reason)
        if self._clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._served.wait(), self._timing.closing_seconds)

    async def _hello(self, websocket: WebSocket) -> Hello | None:
        """The client's first frame, or None after closing on one that sends none in time."""
        try:
            text = await asyncio.wait_for(websocket.receive_text(), self._timing.hello_seconds)
            return parse_hello(text)
        except TimeoutError:
            await self._close(websocket, CLOSE_POLICY, f"no hello within {self._timing.hello_seconds:.0f} s")
        except (ValueError, KeyError) as error:
            await self._close(websocket, CLOSE_POLICY, str(error)[:100] or "not a hello")
        except WebSocketDisconnect:
            pass
        return None

    async def _converse(self, websocket: WebSocket, mailbox: Mailbox, hello: Hello) -> None:
        jobs = [
            asyncio.create_task(self._write(websocket, mailbox, hello)),
            asyncio.create_task(_read_until_gone(websocket)),
            asyncio.create_task(self._watch_overflow(mailbox)),
            asyncio.create_task(self._beat(mailbox)),
        ]
        writer, reader, watcher, _ = jobs
        ended: set[asyncio.Task[None]] = set()
        try:
            ended, _ = await asyncio.wait((writer, reader, watcher), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        if reader in ended:
            if isinstance(reader.exception(), ValueError):
                await self._close(websocket, CLOSE_POLICY, str(reader.exception()))
        elif watcher in ended:
            self.dropped_clients += 1
            await self._close(websocket, CLOSE_OVERFLOW, "too slow: reconnect with the last seq")
        elif (failure := writer.exception()) is None:
            await self._close(websocket, CLOSE_GOING_AWAY, mailbox.closed_with or "bye")
        elif not isinstance(failure, RuntimeError | OSError | WebSocketDisconnect):
            raise failure  # a client that went away in the middle of a frame is no failure

    async def _write(self, websocket: WebSocket, mailbox: Mailbox, hello: Hello) -> None:
        seen = await self._catch_up(websocket, hello)
        while (frame := await mailbox.take()) is not None:
            if frame["type"] == "event" and frame["seq"] <= seen:
                continue  # it was in the snapshot or the replay already
            await websocket.send_text(dumps(frame))
        await websocket.send_text(dumps({"type": "bye", "reason": mailbox.closed_with}))

    async def _catch_up(self, websocket: WebSocket, hello: Hello) -> int:
        """Bring a client up to date; returns the newest event it has been sent."""
        newest = self._store.newest_seq
        missed: list[dict[str, Any]] | None = None
        if hello.seq is not None and hello.seq <= newest:
            missed = await self._events_after(hello.seq, hello.run)
        resumed = missed is not None and hello.epoch == self.epoch
        await websocket.send_text(
            dumps({"type": "welcome", "epoch": self.epoch, "seq": newest, "resumed": resumed})
        )
        if not resumed:
            await websocket.send_text(dumps(await self._snapshot(hello, missed)))
            return _newest(newest, missed)
        for event in missed or ():
            await websocket.send_text(dumps({"type": "event", **event}))
        for run in self._runs.known():
            if hello.run in (None, run.id):
                await websocket.send_text(dumps({"type": "run", "run": run.view(full=False)}))
        # Metrics are not replayed one by one: the series has them all.
        await websocket.send_text(dumps({"type": "gap", "dropped": 0}))
        return _newest(newest, missed)

    async def _events_after(self, seq: int, run: str | None) -> list[dict[str, Any]] | None:
        """Every event after `seq`, oldest first: from the store, and from memory what is not written yet.

        None when there are too many to replay. They are counted: a crash leaves a gap in their numbers.
        """
        recent = [event for event in self._recent if event["seq"] > seq]
        if self._recent and self._recent[0]["seq"] <= seq + 1:
            events = recent
        else:
            stored = await asyncio.to_thread(self._store.events_after, seq, REPLAY_LIMIT + 1)
            known = {event["seq"] for event in stored}
            recent = [event for event in self._recent if event["seq"] > seq]
            events = sorted(
                [*stored, *(one for one in recent if one["seq"] not in known)], key=lambda one: one["seq"]
            )
        if len(events) > REPLAY_LIMIT:
            return None
        return [event for event in events if run is None or event["run"] in (None, run)]

    async def _snapshot(self, hello: Hello, missed: list[dict[str, Any]] | None) -> Frame:
        """The present state: runs newest first, the run to look at, the newest events, the schedule.

        A client that comes back over a restart of the daemon gets every event it missed, not just the newest.
        """
        page = await asyncio.to_thread(self._store.events, hello.run, limit=SNAPSHOT_EVENTS)
        newest = page.items
        have = {event["seq"] for event in newest}
        more = [event for event in (missed or list(self._recent)) if event["seq"] not in have]
        if hello.run is not None:
            more = [event for event in more if event["run"] in (None, hello.run)]
        events = sorted([*newest, *more], key=lambda event: -int(event["seq"]))
        if missed is None or len(missed) < SNAPSHOT_EVENTS:
            events = events[:SNAPSHOT_EVENTS]
        current = await self._runs.current()
        stored, _ = await asyncio.to_thread(self._rows.views, None, 50)
        live = {run.id: run.view(full=False) for run in self._runs.known()}
        runs = [live.pop(run["id"], run) for run in stored]
        runs = sorted([*live.values(), *runs], key=lambda run: str(run["created_at"]), reverse=True)
        return {
            "type": "snapshot",
            "runs": runs,
            "run": hello.run or (current.id if current else None),
            "events": events,
            "schedule": self._schedule.jobs(),
        }

    async def _beat(self, mailbox: Mailbox) -> None:
        while True:
            await asyncio.sleep(self._timing.heartbeat_seconds)
            mailbox.put({"type": "heartbeat", "time": self._clock.now().isoformat()})

    async def _watch_overflow(self, mailbox: Mailbox) -> None:
        """Return when the client has been too slow for too long."""
        limit = self._timing.overflow_seconds
        while mailbox.overflowed_for() < limit:
            await asyncio.sleep(min(0.5, limit / 4))

    async def _close(self, websocket: WebSocket, code: int, reason: str) -> None:
        """Close, without waiting forever for a client that does not read."""
        if websocket.application_state is WebSocketState.DISCONNECTED:
            return
        with contextlib.suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            await asyncio.wait_for(websocket.close(code, reason[:120]), self._timing.closing_seconds)


def _newest(seq: int, events: list[dict[str, Any]] | None) -> int:
    """The highest of a number and the numbers of events."""
    return max([seq, *(int(event["seq"]) for event in events or ())])


def parse_hello(text: str) -> Hello:
    """Check a client's first frame.

    Raises:
        ValueError: with what is wrong.
    """
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the first frame must be a JSON hello") from None
    if not isinstance(frame, dict) or frame.get("type") != "hello":
        raise ValueError('the first frame must be {"type": "hello"}')
    epoch, seq, run = frame.get("epoch"), frame.get("seq"), frame.get("run")
    if not isinstance(epoch, str | None) or not isinstance(run, str | None):
        raise ValueError("hello: epoch and run are text")  # noqa: TRY004 - what a client sent, not a wrong call
    if seq is not None and (not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**63):
        raise ValueError("hello: seq is a whole number")
    return Hello(epoch=epoch, seq=seq, run=run)


async def _read_until_gone(websocket: WebSocket) -> None:
    """Nothing is expected from a client after its hello; one that sends much is cut off.

    Raises:
        ValueError: it sends too much.
    """
    for _ in range(1000):
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
    raise ValueError("commands go over REST")
