"""Talking to a daemon: its address, its token, its pages, its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.cli.client import DaemonClient
from daemon.errors import ConflictError, DaemonError, NotFoundError, NotRunningError, UsageError
from tests.unit.daemon.cli.fake_daemon import RUN, FakeDaemon

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
    assert {headers["Authorization"] for headers in daemon.headers} == {f"Bearer {home.token()}"}
    assert len(daemon.headers[1]["Idempotency-Key"]) == 32


def test_nothing_running_names_the_command_that_starts_one(home: Home) -> None:
    with pytest.raises(NotRunningError, match=f"start one: synapsed start --home {home.root}"):
        DaemonClient.connect(home)


def test_an_address_nobody_answers_at_is_not_running(home: Home) -> None:
    with FakeDaemon(home) as gone:
        url = gone.url
    with DaemonClient(url, "t") as client, pytest.raises(NotRunningError, match=f"nothing answers at {url}"):
        client.get("/runs")


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
    problem = {
        "title": "No",
        "detail": "it\nis so",
        "request_id": "q-1",
        "errors": [{"path": "a.b", "message": "bad"}],
    }
    daemon.problems["GET", "/runs"] = (status, problem)
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
    daemon.runs[:] = [{**RUN, "id": f"r-{number}"} for number in range(1203)]
    assert len(list(client.items("/runs", limit=1100))) == 1100
    assert len(list(client.items("/runs", limit=5000))) == 1203
    limits = [query["limit"] for method, path, query in daemon.asked if (method, path) == ("GET", "/runs")]
    assert limits == ["500", "500", "100", "500", "500", "500"]


def test_the_run_that_is_meant_is_the_learning_one_else_the_newest(
    daemon: FakeDaemon, client: DaemonClient
) -> None:
    daemon.runs[:] = [{**RUN, "id": "new", "state": "stopped"}, {**RUN, "id": "old", "state": "paused"}]
    assert client.run()["id"] == "old"
    daemon.runs[1]["state"] = "crashed"
    assert client.run()["id"] == "new"
    assert client.run("old")["id"] == "old"
    daemon.runs.clear()
    with pytest.raises(NotFoundError, match="no run has been started"):
        client.run()


def test_an_action_is_waited_for(daemon: FakeDaemon, client: DaemonClient) -> None:
    operation = client.act("r-1", "checkpoint")
    assert operation["state"] == "done"
    assert ("GET", "/operations/o-1", {"wait": "20"}) in daemon.asked


def test_a_failed_action_is_an_error_with_its_reason(daemon: FakeDaemon, client: DaemonClient) -> None:
    failed = {"id": "o-1", "action": "checkpoint", "state": "failed", "error": "disk full"}
    daemon.problems["GET", "/operations/o-1"] = (200, failed)
    with pytest.raises(ConflictError, match="checkpoint failed: disk full"):
        client.act("r-1", "checkpoint")
