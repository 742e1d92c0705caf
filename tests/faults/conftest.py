"""Daemons under attack, none of which outlives its test; and the page with the outcome of each attack.

`pytest tests/faults --write-reliability` writes `docs/reliability.md` from what that run saw.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.daemon_process import DaemonProcess
from tests.faults.reliability import PAGE, Row, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.home import Home

HERE = Path(__file__).parent
ROWS: list[Row] = []


@pytest.fixture
def launch(home: Home) -> Iterator[Callable[..., DaemonProcess]]:
    """Starts `synapsed <arguments>` on the test's home."""
    daemons: list[DaemonProcess] = []

    def start(*arguments: str, spawning: bool = False) -> DaemonProcess:
        daemons.append(DaemonProcess.start(home, *arguments, spawning=spawning))
        return daemons[-1]

    yield start
    for daemon in daemons:
        if daemon.alive():
            family = [*psutil.Process(daemon.pid).children(recursive=True), psutil.Process(daemon.pid)]
            for process in family:
                process.kill()
        daemon.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-reliability", action="store_true", help=f"write {PAGE.name} from this run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here is a row of the page."""
    for item in items:
        if item.path.is_relative_to(HERE):
            mark = item.get_closest_marker("fault")
            if mark is None:
                raise pytest.UsageError(
                    f"{item.nodeid}: say what it tries: @pytest.mark.fault(kind, tried=, happens=)"
                )
            item.user_properties.append(
                ("fault", [item.path.name, mark.args[0], mark.kwargs["tried"], mark.kwargs["happens"]])
            )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name == "fault" and (report.when == "call" or report.outcome != "passed"):
            assert isinstance(value, list)
            file, kind, tried, happens = value
            ROWS.append(Row(file, kind, tried, happens, report.outcome))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-reliability", default=False) and not hasattr(
        session.config, "workerinput"
    ):
        PAGE.write_text(page(ROWS), encoding="utf-8")
