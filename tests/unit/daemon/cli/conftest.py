"""A command line to call and a daemon to talk to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.app import main
from tests.fake_daemon.server import answering_in
from tests.fake_daemon.world import FakeDaemon

if TYPE_CHECKING:
    from daemon.home import Home


@dataclass
class Called:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Called]


@pytest.fixture
def call(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `synapsed ARGUMENTS…` in the test's home."""
    monkeypatch.setenv("SYNAPSED_HOME", str(home.root))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Called:
        code = main(arguments)
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return run


@pytest.fixture
def daemon(home: Home) -> Iterator[FakeDaemon]:
    """A daemon that answers in the test's home."""
    with answering_in(home, FakeDaemon.small()) as fake:
        yield fake
