"""The page of the real daemon behind a real reverse proxy with TLS, below a path: from signing in to live numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from tests.daemon_process import DaemonProcess
from tests.e2e.browser import Watch
from tests.proxy import certificate, free_port, nginx, require_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.home import Home

pytestmark = [pytest.mark.browser, pytest.mark.curves, pytest.mark.proxy]


@pytest.fixture
def address(home: Home, tmp_path: Path) -> Iterator[str]:
    """Where the proxy answers for a daemon whose run learns."""
    require_nginx()
    port = free_port()
    public = f"https://localhost:{port}/brain"
    daemon = DaemonProcess.start(home, "start", "--preset", "tiny", "--public-url", public)
    try:
        own = int(daemon.wait_for_line("synapsed answers at").rpartition(":")[2])
        daemon.wait_for_line("Step ")
        with nginx(tmp_path, port=port, to=own, pem=certificate(tmp_path), changes={}):
            yield public
    finally:
        daemon.interrupt()
        daemon.wait()


def test_the_page_lives_below_the_path_of_a_proxy(chromium: Browser, address: str, home: Home) -> None:
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    watch = Watch.over(page, address)
    page.goto(address)  # without the slash at its end
    page.get_by_label("Token").fill(home.token())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    assert page.url == f"{address}/"
    step = page.locator("dt", has_text=re.compile("^step$")).locator("xpath=following-sibling::dd")
    before = step.inner_text()
    expect(step).not_to_have_text(before, timeout=20_000)
    page.get_by_role("button", name="Pause", exact=True).first.click()
    expect(page.get_by_text(re.compile("^Paused at step"))).to_be_visible(timeout=20_000)
    page.locator("[data-plot] .main-svg").first.wait_for()  # Plotly came along
    page.get_by_role("link", name="HTTP API").click()
    expect(page.get_by_text("/api/v1/runs/{run_id}/actions", exact=False).first).to_be_visible(timeout=20_000)
    watch.check(forgive=["401"])
    context.close()
