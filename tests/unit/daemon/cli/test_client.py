"""Talking to a daemon: its address, its token, its pages, its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from daemon.cli.client import DaemonClient
from daemon.errors import ConflictError, DaemonError, NotFoundError, NotRunningError, UsageError
from tests.fake_daemon.run import FakeRun
from tests.fake_daemon.server import answering_in
from tests.fake_daemon.world import FakeDaemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.home import Home


@pytest.fixture
def client(home: Home, daemon: FakeDaemon) -> Iterator[DaemonClient]:
    with DaemonClient.connect(home) as connected:
        yield connected


def test_it_shows_the_homes_token_and_marks_what_may_be_repeated(
    home: Home, daemon: FakeDaemon, client: DaemonClient
) -> None:
    client.get("/runs")
    client.post("/runs/r-1/generate", {"prompt": "a"})
    assert {headers["authorization"] for headers in daemon.headers} == {f"Bearer {home.token()}"}
    assert len(daemon.headers[1]["idempotency-key"]) == 32


def test_nothing_running_names_the_command_that_starts_one(home: Home) -> None:
    with pytest.raises(NotRunningError, match=f"start one: synapsed start --home {home.root}"):
        DaemonClient.connect(home)


def test_an_address_nobody_answers_at_is_not_running(home: Home) -> None:
    with answering_in(home, FakeDaemon.small()) as gone:
        url = gone.url
    with DaemonClient(url, "t") as client, pytest.raises(NotRunningError, match=f"nothing answers at {url}"):
        client.get("/runs")


@pytest.mark.parametrize("error", [httpx.RemoteProtocolError, httpx.ReadError])
def test_a_daemon_that_ends_instead_of_answering_is_a_line_with_what_to_do(
    error: type[httpx.TransportError],
) -> None:
    def end(_request: httpx.Request) -> httpx.Response:
        raise error("Server disconnected without sending a response.")

    gone = DaemonClient("http://here", "t", home_flag=" --home h", transport=httpx.MockTransport(end))
    with gone, pytest.raises(NotRunningError) as caught:
        gone.post("/runs/r-1/forget", {"source": "notes"})
    assert str(caught.value) == (
        "the daemon at http://here ended before it answered: what was asked may be done, or not. Start it again "
        "(synapsed resume latest --home h), then look (synapsed events --home h); why it ended is in synapsed logs "
        "--home h"
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFoundError),
        (409, ConflictError),
        (422, UsageError),
        (400, UsageError),
        (401, UsageError),
        (500, DaemonError),
    ],
)
def test_a_problem_becomes_one_line_of_the_right_kind(
    daemon: FakeDaemon, client: DaemonClient, status: int, kind: type[DaemonError]
) -> None:
    daemon.refuse("GET", "/runs", status, "it\nis so", errors=[{"path": "a.b", "message": "bad"}])
    with pytest.raises(kind) as caught:
        client.get("/runs")
    message = str(caught.value)
    assert "\n" not in message
    if status == 401:
        assert "does not accept this home's token" in message
    else:
        assert message.startswith("it is so: a.b: bad")
        assert ("request q-1" in message) == (status == 500)


def test_items_come_over_as_many_pages_as_it_takes(daemon: FakeDaemon, client: DaemonClient) -> None:
    for number in range(2, 1204):
        daemon.runs[f"r-{number}"] = FakeRun(id=f"r-{number}", name="one of many")
    assert len(list(client.items("/runs", limit=1100))) == 1100
    assert len(list(client.items("/runs", limit=5000))) == 1203
    limits = [query["limit"] for method, path, query in daemon.asked if (method, path) == ("GET", "/runs")]
    assert limits == ["500", "500", "100", "500", "500", "500"]


def test_the_run_that_is_meant_is_the_learning_one_else_the_newest(
    daemon: FakeDaemon, client: DaemonClient
) -> None:
    daemon.runs["r-1"].state = "paused"
    daemon.add(FakeRun(id="new", name="second", state="stopped"))
    assert client.run()["id"] == "r-1"
    daemon.runs["r-1"].state = "crashed"
    assert client.run()["id"] == "new"
    assert client.run("r-1")["id"] == "r-1"
    daemon.runs.clear()
    with pytest.raises(NotFoundError, match="no run has been started"):
        client.run()


def test_an_action_is_waited_for(daemon: FakeDaemon, client: DaemonClient) -> None:
    operation = client.act("r-1", "checkpoint")
    assert operation["state"] == "done"
    assert ("GET", f"/operations/{operation['id']}", {"wait": "20"}) in daemon.asked


def test_a_failed_action_is_an_error_with_its_reason(daemon: FakeDaemon, client: DaemonClient) -> None:
    failed = daemon.operate(daemon.runs["r-1"], "checkpoint") | {"state": "failed", "error": "disk full"}
    daemon.answers["POST", "/runs/r-1/actions"] = (202, failed)
    with pytest.raises(ConflictError, match="checkpoint failed: disk full"):
        client.act("r-1", "checkpoint")
