"""Requests that are wrong in every way, against a live run: each is a 4xx that names what is wrong.

SYNAPSED_TEST_FUZZ_EXAMPLES is how many requests are tried of each route and kind; a night's worth is 500.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("SYNAPSED_TEST_FUZZ_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# These end the run or the daemon, or never end: each has tests of its own.
LEFT_OUT = {"POST /api/v1/shutdown"}
WRONG = [
    {"action": "checkpoint", "arguments": {"reason": None}},
    {"action": "checkpoint", "arguments": {"reason": "\ud800"}},
    {"action": "grow", "arguments": {"site": []}},
    {"action": "grow", "arguments": {"fraction": float("nan")}},
    {"action": "sleep", "arguments": {"steps": 10**20}},
    {"action": "stop", "arguments": {"reason": {}}},
    {"action": "pause", "arguments": []},
    {"action": "evaluate", "arguments": {"all": True}},
    {"action": "feed", "arguments": {"text": "x"}},
    {"action": []},
]


class Live:
    """A run that learns, and a client that may steer it."""

    def __init__(self, daemon: DaemonProcess, home: Home) -> None:
        self.daemon, self.home = daemon, home
        self.url = daemon.wait_for_line("synapsed answers at").split()[-1]
        self.headers = {"Authorization": f"Bearer {home.token()}"}
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", headers=self.headers, timeout=60.0)
        daemon.wait_for_line("Step ")
        self.run = self.http.get("/runs").json()["items"][0]["id"]

    def post(self, path: str, body: bytes) -> httpx.Response:
        return self.http.post(path, content=body, headers={"Content-Type": "application/json"})

    def done(self, action: dict[str, Any]) -> dict[str, Any]:
        operation = self.http.post(f"/runs/{self.run}/actions", json=action).json()
        answer: dict[str, Any] = self.http.get(f"/operations/{operation['id']}", params={"wait": 30}).json()
        return answer

    def check_alive(self) -> None:
        """It kept learning in the same session, and what it saves can be loaded."""
        seen = self.http.get(f"/runs/{self.run}").json()
        assert (seen["session"], seen["degraded"]) == (1, None)
        if seen["state"] == "paused":
            self.done({"action": "continue"})
        saved = self.done({"action": "checkpoint"})
        assert saved["state"] == "done", saved
        newest = max(Catalogue(self.home.checkpoints).list(), key=lambda info: info.manifest.sequence)
        assert load(self.home.checkpoints / newest.name).manifest.run_id == self.run


@pytest.fixture
def live(home: Home, launch: Callable[..., DaemonProcess]) -> Iterator[Live]:
    live = Live(launch("start", "--preset", "tiny"), home)
    yield live
    live.http.close()


@pytest.fixture
def waiting(home: Home, launch: Callable[..., DaemonProcess], tmp_path: Path) -> Iterator[Live]:
    """A run that has read all and waits for more: it obeys as it would, and leaves the processor to the fuzzing."""
    log = tmp_path / "app.log"
    log.write_bytes(b"all is well in house number 97\n" * 100)
    live = Live(launch("start", "--preset", "tiny", "--data", str(log), "--follow"), home)
    yield live
    live.http.close()


@pytest.mark.fault(
    "Wrong requests",
    tried="actions with arguments of another type, out of range or unknown; text that is not Unicode; a seed of 1e20",
    happens="a 422 names the field; the run keeps learning, and its newest checkpoint loads",
)
def test_wrong_arguments_are_named_and_cost_nothing(live: Live) -> None:
    for wrong in WRONG:
        answer = live.post(f"/runs/{live.run}/actions", json.dumps(wrong).encode())
        assert answer.status_code == 422, (wrong, answer.text)
        assert answer.json()["errors"][0]["path"].startswith(("arguments", "action", "body")), answer.text
    for setting in ({"seed": 1e20}, {"seed": 10**20}, {"stream.rows": 10**12}, {"brain.hidden_size": 1e308}):
        answer = live.http.post("/runs", json={"config": setting, "queue": True})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, next(iter(setting)))
    for odd in ({"stream.data": ["\ud800"]}, {"stream": {"data": ["fine", "\udce9"]}}):
        answer = live.post("/runs", json.dumps({"config": odd, "queue": True}).encode())
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "stream.data")
    for path, body in (
        (f"/runs/{live.run}/generate", b'{"prompt": "caf\\ud8e9"}'),
        (f"/runs/{live.run}/generate", b'{"prompt": "caf\xe9"}'),
        (f"/runs/{live.run}/experience", b'{"text": "\\udce9"}'),
        ("/runs", b'{"config": {"stream.data": ["/tmp/\\udce9"]}, "queue": true}'),
        ("/runs", b'{"config": {"' + b"a." * 50_000 + b'a": 1}, "queue": true}'),
        ("/runs", b'{"config": ' + b'{"a": ' * 20_000 + b"1" + b"}" * 20_000 + b"}"),
        ("/runs", b'{"name": "x", "steps": ' + b"9" * 5000 + b"}"),
    ):
        answer = live.post(path, body)
        assert answer.status_code in (400, 422), (body[:80], answer.text)
    coldest = live.http.post(f"/runs/{live.run}/generate", json={"temperature": 5e-324, "max_bytes": 3})
    assert coldest.status_code == 200
    live.check_alive()


@pytest.mark.fault(
    "Wrong requests",
    tried="every route of the API is fuzzed from its own description, right and wrong, against a live run",
    happens="no 5xx, every answer is as described; the run keeps learning, and its newest checkpoint loads",
)
def test_every_route_outlives_fuzzing(waiting: Live) -> None:
    live = waiting
    schema = schemathesis.openapi.from_dict(
        httpx.get(f"{live.url}/openapi.json", headers=live.headers).json()
    )
    schema.config.base_url = live.url
    kinds = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    tried = set()
    for found in schema.get_all_operations():
        operation = cast("Any", found).ok()
        if operation.label in LEFT_OUT:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            def ask(case: Any) -> None:
                real = {"run_id": live.run, "job": "upkeep", "checkpoint_id": "continuous_1"}
                for name in case.path_parameters or {}:
                    case.path_parameters[name] = real.get(name, case.path_parameters[name])
                if isinstance(case.body, dict) and case.body.get("action") == "stop":
                    case.body["action"] = "checkpoint"
                answer = case.call(headers=live.headers, timeout=60)
                case.validate_response(answer, checks=CHECKS)
                tried.add(case.operation.label)

            try:
                kinds(given(case=operation.as_strategy(generation_mode=mode))(ask))()
            except Unsatisfiable:
                continue  # there is no wrong way to ask it
    assert {f"POST /api/v1/runs/{{run_id}}/{noun}" for noun in ("actions", "growth", "generate")} <= tried
    live.check_alive()
