"""Variables that others set: Kubernetes and Docker name a service's addresses after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.cli.app import main
from tests.unit.daemon.config.test_environment import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.daemon_process import DaemonProcess


@pytest.mark.fault(
    "Foreign SYNAPSED_* variables",
    tried="those that Kubernetes sets for a service called synapsed; a misspelt setting",
    happens="the former have no effect; the latter is reported on standard error with the nearest; it starts",
)
def test_a_start_among_foreign_variables(
    launch: Callable[..., DaemonProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SERVICE, "SYNAPSED_STREM__ROWS": "7"}.items():
        monkeypatch.setenv(name, value)
    daemon = launch("start", "--preset", "tiny", "--steps", "2", spawning=True)
    assert daemon.wait() == 0
    reported = [line for line in daemon.output().splitlines() if "no effect" in line]
    assert reported == [
        "synapsed: SYNAPSED_STREM__ROWS is not a setting and has no effect; did you mean SYNAPSED_STREAM__ROWS?"
    ]


@pytest.mark.fault(
    "Foreign SYNAPSED_* variables",
    tried="a known variable with an impossible value",
    happens="one line that names the variable; nothing is started",
)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SYNAPSED_PORT", "tcp"),
        ("SYNAPSED_STREAM__ROWS", "x"),
        ("SYNAPSED_PRESET", "nosuch"),
        ("SYNAPSED_STREAM", "7"),
    ],
)
def test_an_impossible_value_names_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["start", "--steps", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert variable in line or (variable == "SYNAPSED_PRESET" and value in line)
