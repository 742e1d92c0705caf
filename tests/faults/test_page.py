"""What the page shows while its daemon is dead; more that goes wrong with it is tried in tests/e2e."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if importlib.util.find_spec("playwright") is None:
    pytest.skip("playwright is not installed", allow_module_level=True)

import httpx
from playwright.sync_api import expect

from tests.e2e.conftest import chromium, context

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = [pytest.mark.faults, pytest.mark.browser]
__all__ = ["chromium", "context"]  # fixtures


@pytest.mark.fault(
    "The page of a dead daemon",
    tried="the daemon is killed with SIGKILL while the page is open and its run learns",
    happens="within seconds the run is 'last known: running', grey; no part of the page shows it as running",
)
def test_a_killed_daemon_is_not_shown_as_running(
    home: Home, launch: Callable[..., DaemonProcess], context: BrowserContext
) -> None:
    daemon = launch("start", "--preset", "tiny")
    url = daemon.wait_for_line("synapsed answers at").split()[-1]
    daemon.wait_for_line("Step ")
    token = {"Authorization": f"Bearer {home.token()}"}
    page = context.new_page()
    page.goto(httpx.post(f"{url}/api/v1/one-time-urls", headers=token, timeout=60.0).json()["url"])
    expect(page.get_by_text("running", exact=True).first).to_be_visible(timeout=20_000)
    daemon.kill()
    expect(page.get_by_text("last known: running").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("running", exact=True)).to_have_count(0)
