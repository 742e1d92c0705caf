"""The live feed over a real server and a real websocket client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from daemon.api import feed
from daemon.api.feed import REPLAY_LIMIT, FeedTiming
from daemon.api.server import QuietServer
from daemon.orders import Pause, Stop
from daemon.supervisor.listening import bind
from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import TOKEN, Reception, receiving
from tests.unit.daemon.supervisor.stage import start_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from daemon.home import Home

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": f"Bearer {TOKEN}"}
QUICK = FeedTiming(hello_seconds=0.3, heartbeat_seconds=0.2, overflow_seconds=0.5, closing_seconds=0.5)


@contextlib.asynccontextmanager
async def served(
    home: Home, *, script: dict[str, Any] | None = None, timing: FeedTiming = QUICK
) -> AsyncIterator[tuple[Reception, str]]:
    with contextlib.closing(bind("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        async with (
            receiving(home, script=script, port=port, timing=timing) as reception,
            QuietServer(reception.app).answering(sock),
        ):
            yield reception, f"ws://127.0.0.1:{port}/api/v1/stream"
            await reception.context.hub.close("test over")


@contextlib.asynccontextmanager
async def listening(
    url: str, hello: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[ClientConnection]:
    headers = more.pop("additional_headers", BEARER)
    protocols = [Subprotocol("synapsed.v1")]
    async with connect(url, subprotocols=protocols, additional_headers=headers, proxy=None, **more) as client:
        await client.send(json.dumps({"type": "hello", **(hello or {})}))
        yield client


async def until(client: ClientConnection, wanted: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
    """Every frame up to the first that is wanted."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not frames or not wanted(frames[-1]):
            frames.append(json.loads(await client.recv()))
    return frames


def of_kind(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame["type"] == kind


async def test_hello_welcome_snapshot_and_then_life(home: Home) -> None:
    async with served(home) as (reception, url), listening(url) as client:
        assert client.subprotocol == "synapsed.v1"
        welcome, snapshot = await until(client, of_kind("snapshot"))
        assert (welcome["type"], welcome["resumed"]) == ("welcome", False)
        assert snapshot["runs"] == []
        assert snapshot["run"] is None
        assert {job["id"] for job in snapshot["schedule"]} >= {"backup"}
        run = await reception.supervisor.admission.start(start_request())
        frames = await until(client, of_kind("delta"))
        assert {"run", "event", "delta"} <= {frame["type"] for frame in frames}
        delta = (await until(client, lambda frame: frame["type"] == "delta" and frame["columns"]))[-1]
        assert delta["run"] == run.id
        assert len(delta["columns"]["step"]) == len(delta["columns"]["bpc"])
        assert delta["columns"]["replay_bpc"] == [None] * len(delta["columns"]["step"])
        await until(client, of_kind("heartbeat"))
        await reception.supervisor.steering.act(run.id, Stop())
        frames = await until(
            client, lambda frame: frame["type"] == "run" and frame["run"]["state"] == "stopped"
        )
        assert "operation" in {frame["type"] for frame in frames}
    async with served(home) as (_, url), listening(url) as client:
        snapshot = (await until(client, of_kind("snapshot")))[-1]
        assert snapshot["run"] == run.id
        assert snapshot["runs"][0]["state"] == "stopped"
        assert len(snapshot["events"]) >= 5


def leave_a_gap(home: Home) -> None:
    """Set the numbers of events on as a crash does, by more than a client may lack."""
    with contextlib.closing(sqlite3.connect(home.root / "synapsed.db")) as database, database:
        database.execute(
            "UPDATE counters SET value = value + ? WHERE name = 'event_seq'", (2 * REPLAY_LIMIT,)
        )


async def test_coming_back_misses_no_event_within_one_life_and_over_a_restart(home: Home) -> None:
    seen: dict[int, dict[str, Any]] = {}
    async with served(home) as (reception, url):
        run = await reception.supervisor.admission.start(start_request())
        async with listening(url) as client:
            frames = await until(client, lambda frame: frame["type"] == "delta" and frame["step"] > 3)
            epoch = frames[0]["epoch"]
            for frame in frames:
                for event in [frame] if frame["type"] == "event" else frame.get("events", []):
                    seen[event["seq"]] = event
        await reception.supervisor.steering.act(run.id, Pause())
        await reception.news.until(lambda: run.state is RunState.PAUSED)
        async with listening(url, {"epoch": epoch, "seq": max(seen)}) as client:
            frames = await until(client, of_kind("gap"))
            assert frames[0]["resumed"] is True
            for frame in frames:
                if frame["type"] == "event":
                    assert frame["seq"] not in seen, "nothing twice"
                    seen[frame["seq"]] = frame
            assert any(frame["type"] == "run" and frame["run"]["state"] == "paused" for frame in frames)
    leave_a_gap(home)
    async with served(home) as (reception, url), listening(url, {"epoch": epoch, "seq": max(seen)}) as client:
        welcome, snapshot = await until(client, of_kind("snapshot"))
        assert welcome["epoch"] != epoch
        assert welcome["resumed"] is False
        for event in snapshot["events"]:
            seen[event["seq"]] = event
        assert reception.supervisor.store.newest_seq > 2 * REPLAY_LIMIT
        every = reception.supervisor.store.events_after(0, 1000)
        assert sorted(seen) == [event["seq"] for event in every]


async def test_a_client_may_follow_one_run(home: Home) -> None:
    async with served(home) as (reception, url), listening(url, {"run": "r-other"}) as client:
        await until(client, of_kind("snapshot"))
        await reception.supervisor.admission.start(start_request())
        await reception.news.until(lambda: len(reception.news.deltas) > 5)
        frames = await until(client, of_kind("heartbeat"))
        assert {frame["type"] for frame in frames} == {"heartbeat"}


async def test_a_client_of_one_run_is_not_replayed_a_part(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read back is cut off before it is sorted by run: a cut list is no list of what was missed."""
    monkeypatch.setattr(feed, "REPLAY_LIMIT", 5)
    async with served(home) as (reception, url):
        store, epoch = reception.supervisor.store, reception.context.hub.epoch
        for run in ["r-other"] * 6 + ["r-mine"]:
            store.add_event({"kind": "noted", "message": run}, run=run)
        store.flush()
        async with listening(url, {"epoch": epoch, "seq": 0, "run": "r-mine"}) as client:
            welcome, snapshot = await until(client, of_kind("snapshot"))
            assert welcome["resumed"] is False
            assert [event["run"] for event in snapshot["events"]] == ["r-mine"]


async def test_bye_is_sent(home: Home) -> None:
    async with served(home) as (reception, url), listening(url) as client:
        await until(client, of_kind("snapshot"))
        closing = asyncio.ensure_future(reception.context.hub.close("the daemon stops"))
        assert (await until(client, of_kind("bye")))[-1]["reason"] == "the daemon stops"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        await closing


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**BEARER, "Origin": "http://evil.example"}, 403),
        ({**BEARER, "Origin": "null"}, 403),
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
    ],
)
async def test_an_unauthorised_client_does_not_even_connect(
    home: Home, headers: dict[str, str], status: int
) -> None:
    async with served(home) as (reception, url):
        with pytest.raises(InvalidStatus) as refused:
            async with listening(url, additional_headers=headers):
                pass
        assert refused.value.response.status_code == status
        assert reception.context.hub.num_clients == 0


async def test_a_rebound_name_does_not_connect(home: Home) -> None:
    async with served(home) as (_, url):
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(InvalidStatus) as refused:
            async with listening(f"ws://evil.example:{port}/api/v1/stream", host="127.0.0.1", port=port):
                pass
        assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    "first", [None, "not json", "[]", '{"type": "hello", "seq": "x"}', '{"type": "hello", "seq": -1}']
)
async def test_a_client_that_sends_no_hello_is_closed(home: Home, first: str | None) -> None:
    async with served(home) as (_, url):
        protocols = [Subprotocol("synapsed.v1")]
        async with connect(url, subprotocols=protocols, additional_headers=BEARER, proxy=None) as client:
            if first is not None:
                await client.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(10):
                    await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


async def test_a_client_without_the_subprotocol_is_closed(home: Home) -> None:
    async with served(home) as (_, url), connect(url, additional_headers=BEARER, proxy=None) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


class Clients(dict[Any, Any]):
    """Those of a hub, whose coming and going can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.joined, self.gone = asyncio.Event(), asyncio.Event()

    def __setitem__(self, mailbox: Any, run: Any) -> None:
        super().__setitem__(mailbox, run)
        self.joined.set()

    def __delitem__(self, mailbox: Any) -> None:
        super().__delitem__(mailbox)
        if not self:
            self.gone.set()


async def test_a_client_that_does_not_read_is_dropped_and_nobody_waits_for_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(home) as (reception, url):
        port = int(url.split(":")[2].split("/")[0])
        hub, clients = reception.context.hub, Clients()
        monkeypatch.setattr(hub, "_clients", clients)
        deaf = await asyncio.to_thread(deaf_client, port)
        try:
            async with asyncio.timeout(20):
                await clients.joined.wait()
                async with listening(url) as lively:
                    await until(lively, of_kind("snapshot"))
                    step = 0
                    while hub.dropped_clients == 0:
                        steps = [float(number) for number in range(step, step + 500)]
                        step += 500
                        columns = {"step": steps, "bpc": [1.0 / 3] * 500, "time": [1.7e9 + 1 / 3] * 500}
                        reception.context.hub.on_delta(
                            {"run": "r-1", "step": step, "columns": columns, "points": [], "readings": []}
                        )
                        frame = json.loads(await lively.recv())
                        assert frame["type"] in {"delta", "heartbeat", "gap"}
                        await asyncio.sleep(0)
                await clients.gone.wait()
        finally:
            deaf.close()
        assert hub.num_clients == 0


def deaf_client(port: int) -> socket.socket:
    """A websocket client that sends hello and then reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(
        (
            f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: synapsed.v1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        ).encode()
    )
    assert b"101" in sock.recv(512)
    text = b'{"type": "hello"}'
    sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return sock
