"""What the browser tests share."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Error, Page, sync_playwright

    from tests.e2e.browser import Watch, launch
    from tests.fake_daemon.server import ScriptedServer
    from tests.fake_daemon.world import FakeDaemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext


# Not for the session: an open playwright keeps an event loop running in this thread, where no other test could
# run its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error as error:
            pytest.skip(f"no Chromium can be started: {error}")
        yield browser
        browser.close()


# Drawing is two thirds of what a page costs; tests that do not look at curves go without.
BLANK_PLOTLY = "globalThis.Plotly = { react(node) { node.on = () => {}; }, Fx: { hover() {} } };"


@pytest.fixture
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser profile of this test's own; only with the mark `curves` does Plotly draw in it."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Asia/Tokyo")
    context.set_default_timeout(60_000)  # a page must come, however slow the machine
    if request.node.get_closest_marker("curves") is None:
        context.route(
            "**/vendor/plotly.min.js",
            lambda route: route.fulfill(body=BLANK_PLOTLY, content_type="text/javascript"),
        )
    yield context
    context.close()


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A scripted daemon in the middle of a run."""
    daemon = FakeDaemon.furnished()
    with ScriptedServer(daemon) as server:
        yield server
    assert daemon.drift == [], "the real API does not answer so"


@pytest.fixture
def watched(context: BrowserContext, scripted: ScriptedServer) -> Iterator[tuple[Page, Watch]]:
    """The page over the scripted daemon, live; its errors are checked at the end."""
    page = context.new_page()
    watch = Watch.over(page, scripted.url)
    page.goto(scripted.url)
    page.locator("#connection[data-phase=live]").wait_for()
    yield page, watch
    watch.check()
