"""What every test shares: one thread, fixed seeds, a clean environment, a home of its own."""

from __future__ import annotations

import os

# Before any import of numpy or torch: their thread pools are sized when they load.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gc
import itertools
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from daemon.home import Home

if TYPE_CHECKING:
    from collections.abc import Generator

# The same examples every time, and no clock decides.
for name, num_examples in (("short", 50), ("long", 1000)):
    settings.register_profile(
        name,
        max_examples=num_examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("short")

# Whoever starts the tests in the background of a script lets them ignore Ctrl+C, and with nohup that the terminal has
# closed; every process that they start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

gc.disable()  # while all is imported; on again with the first test

HERE = Path(__file__).parent
WAITING = ("e2e", "faults", "integration")  # for processes and browsers
NEEDED_IN_CI = ("browser", "postgres", "proxy")


@pytest.fixture
def anyio_backend() -> str:
    """Tests that are coroutines run on asyncio, as the daemon does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed every generator that is loaded and hide the machine's own SYNAPSED_* settings."""
    for variable in list(os.environ):
        if variable.startswith("SYNAPSED_") and not variable.startswith("SYNAPSED_TEST_"):
            monkeypatch.delenv(variable)
    random.seed(0)
    # Only what is imported already: a test without torch must not pay for it.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if (torch := sys.modules.get("torch")) and hasattr(torch, "manual_seed"):
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home of this test's own, with its folders made."""
    made = Home.open(tmp_path / "home", environ={})
    made.prepare()
    return made


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="also tests marked `long`, and 1,000 examples a property"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes or waits long comes first, or all would wait for it at the end; one worker computes meanwhile."""
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    num_workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = [item for item in items if not item.get_closest_marker("slow")]
    waiting = [item for item in rest if item.path.relative_to(HERE).parts[0] in WAITING]
    computing = [item for item in rest if item.path.relative_to(HERE).parts[0] not in WAITING]
    # The scheduler hands out contiguous shares of equal length; who is done steals from the end of another's.
    bounds = [round(len(items) * worker / num_workers) for worker in range(num_workers + 1)]
    num_waiting = max(1, num_workers - 1)
    ordered: list[pytest.Item] = []
    for worker, (start, end) in enumerate(itertools.pairwise(bounds)):
        share = slow[worker::num_workers]
        if worker < num_waiting:
            share += waiting[
                len(waiting) * worker // num_waiting : len(waiting) * (worker + 1) // num_waiting
            ]
        free = max(0, end - start - len(share))
        ordered += [*share, *computing[:free]]
        del computing[:free]
    items[:] = [*ordered, *computing]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: without this every full collection in a test looks through all of torch."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """The interpreter's last collections would look through all of torch again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a browser, database or proxy test that skips has failed: what it needs must be installed there."""
    report = yield
    needed = [name for name in NEEDED_IN_CI if item.get_closest_marker(name)]
    if report.skipped and needed and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{', '.join(needed)} tests may not be skipped in CI: {reason}"
    return report
