"""The page when things go wrong: checked by what a person sees, so that another page can be held to the same."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.browser import wait_until
from tests.fake_daemon.server import ScriptedServer
from tests.fake_daemon.world import FakeDaemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

    from tests.e2e.browser import Watch

pytestmark = pytest.mark.browser

RUN = "r-20260301-120000-7f3a"
# Where a page is served in the clear by another name than localhost, a browser takes these away.
INSECURE = (
    "delete Crypto.prototype.randomUUID; Object.defineProperty(window, 'isSecureContext', { value: false });"
)


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    return page


def moves(page: Page) -> None:
    """The number of steps a person sees grows."""
    step = page.locator("dt", has_text=re.compile("^step$")).locator("xpath=following-sibling::dd")
    before = step.inner_text()
    expect(step).not_to_have_text(before)


@pytest.mark.curves
def test_outside_a_secure_context_every_button_works(
    context: BrowserContext, scripted: ScriptedServer
) -> None:
    context.add_init_script(INSECURE)
    page = opened(context, scripted.url)
    assert page.evaluate("crypto.randomUUID") is None
    page.get_by_role("button", name="Pause", exact=True).first.click()
    expect(page.get_by_text(re.compile("^Paused at step"))).to_be_visible()


def test_a_dead_daemon_is_not_shown_as_running(context: BrowserContext) -> None:
    with ScriptedServer(FakeDaemon.furnished(step=300)) as server:
        page = opened(context, server.url)
        expect(page.get_by_text("running", exact=True).first).to_be_visible()
    expect(page.get_by_text("last known: running").first).to_be_visible()
    expect(page.get_by_text("running", exact=True)).to_have_count(0)
    assert page.title().startswith("?")


def test_a_daemon_that_falls_silent_is_not_shown_as_running(
    context: BrowserContext, scripted: ScriptedServer
) -> None:
    page = context.new_page()
    silent: list[bool] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: None if silent else socket.send(message))

    page.route_web_socket("**/stream", between)
    page.goto(scripted.url)
    expect(page.get_by_text("running", exact=True).first).to_be_visible()
    silent.append(True)
    expect(page.get_by_text("last known: running").first).to_be_visible(timeout=15_000)
    expect(page.get_by_text(re.compile("^stale: silent for"))).to_be_visible()
    silent.clear()
    expect(page.get_by_text("running", exact=True).first).to_be_visible()


@pytest.mark.parametrize("panel", ["header", "tiles", "charts", "events", "memory"])
@pytest.mark.parametrize("when", ["mounting", "drawing"])
def test_a_panel_that_throws_takes_nothing_else_with_it(
    context: BrowserContext, scripted: ScriptedServer, panel: str, when: str
) -> None:
    page = context.new_page()

    def broken(route: Route) -> None:
        source = route.fetch().text()
        begin = re.search(r"export function mount\w+\(page\) {\n", source)
        assert begin is not None
        throws = "throw new Error('boom');"
        if when == "mounting":
            source = source[: begin.end()] + throws + source[begin.end() :]
        else:
            source = source.replace("export function mount", "function mountWhole", 1)
            name = begin[0].split()[2].partition("(")[0].removeprefix("mount")
            source += (
                f"\nexport const mount{name} = (page) => (mountWhole{name}(page), () => {{ {throws} }});\n"
            )
        route.fulfill(body=source, content_type="text/javascript")

    page.route(f"**/static/{panel}.js", broken)
    page.goto(scripted.url)
    expect(page.get_by_role("alert").get_by_text("boom")).to_have_count(1)
    if panel != "header":
        moves(page)
    run = scripted.daemon.runs[RUN]
    if panel != "events":
        scripted.call(partial(scripted.daemon.note, run, "pass_finished", "still published"))
        expect(page.get_by_text("still published")).to_be_visible()
    page.get_by_role("button", name="Pause upkeep").click()  # the last panel of all
    expect(page.get_by_role("button", name="Continue upkeep")).to_be_visible()


def test_a_link_to_an_unknown_run_reports_it(context: BrowserContext, scripted: ScriptedServer) -> None:
    page = context.new_page()
    page.goto(f"{scripted.url.rstrip('/')}/#run=r-gone")
    reported = page.get_by_role("alert").get_by_text("There is no run r-gone here")
    expect(reported).to_be_visible()
    expect(reported).to_contain_text("Shown instead: night shift")
    page.get_by_role("button", name="Show first words").click()
    expect(reported).to_be_hidden()
    page.evaluate("location.hash = '#run=r-gone-too'")
    expect(page.get_by_role("alert").get_by_text("There is no run r-gone-too here")).to_be_visible()


def test_older_events_than_two_thousand_can_be_read(context: BrowserContext) -> None:
    daemon = FakeDaemon.furnished(step=300)
    run = daemon.runs[RUN]
    for number in range(2600):
        daemon.note(run, "pass_finished", f"pass number {number};")
    with ScriptedServer(daemon) as server:
        page = opened(context, server.url)
        first = page.get_by_text("pass number 0;")
        older = page.get_by_role("log").get_by_role("button")
        for _ in range(60):
            if first.count():
                break
            shown = page.get_by_role("log").get_by_role("listitem").count()
            older.evaluate("button => button.click()")  # it may load by itself meanwhile, and be done
            wait_until(
                page,
                "(shown) => document.querySelectorAll('[role=log] li').length > shown || "
                "document.querySelector('[role=log]').textContent.includes('no older events')",
                arg=shown,
            )
        expect(first).to_have_count(1)
        numbers = [
            int(found) for found in re.findall(r"pass number (\d+);", page.get_by_role("log").inner_text())
        ]
        assert numbers == sorted(numbers, reverse=True)
        assert set(numbers) == set(range(2600))


REFUSED = {"status": 503, "title": "Service Unavailable", "detail": "the database cannot be read"}


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("**/events?*", "[role=log]"),
        ("**/checkpoints?*", "#checkpoints"),
        ("**/forgetting?*", "#memory"),
        ("**/evaluations", "#held-out"),
    ],
)
def test_what_cannot_be_loaded_reports_it_until_it_is(
    context: BrowserContext, scripted: ScriptedServer, asked: str, part: str
) -> None:
    page = context.new_page()
    page.route(asked, lambda route: route.fulfill(status=503, json=REFUSED))
    page.goto(scripted.url)
    reported = page.locator(part).get_by_text("Not loaded: the database cannot be read")
    expect(reported).to_be_visible()
    moves(page)  # what is drawn again meanwhile takes it away no more
    expect(reported).to_be_visible()
    page.unroute(asked)
    if part == "[role=log]":
        reported.click()
    else:
        page.get_by_role("button", name="Show first words").click()
    expect(page.locator(part).get_by_text("Not loaded")).to_be_hidden()


def test_older_runs_that_cannot_be_loaded_report_it(context: BrowserContext) -> None:
    daemon = FakeDaemon.furnished(step=300)
    for number in range(30):
        daemon.add(dataclasses.replace(daemon.runs[RUN], id=f"r-{number}", state="stopped"))
    with ScriptedServer(daemon) as server:
        page = opened(context, server.url)
        page.route("**/runs?*", lambda route: route.fulfill(status=503, json=REFUSED))
        more = page.locator("#runs [data-act=older]")
        more.click()
        expect(more).to_have_text("Not loaded: the database cannot be read")
        page.unroute("**/runs?*")
        more.click()
        expect(page.get_by_text("Not loaded")).to_be_hidden()


GAPS = """async () => {
  const { Curve } = await import("./static/history.js");
  const { traces, PLOTS } = await import("./static/plots.js");
  const curve = new Curve();
  for (let step = 1; step <= 10; step += 1) curve.append(step, step, step === 5 || step === 6 ? NaN : step);
  for (let step = 40; step <= 45; step += 1) curve.append(step, step, step);
  const how = { curveOf: (metric) => (metric === "bpc" ? curve : new Curve()), range: null, logarithmic: false,
    colors: () => "#000000", hidden: new Set(), points: 600 };
  const line = traces(PLOTS[0], how).find((trace) => trace.hovertemplate);
  return { x: line.x, y: line.y, connect: line.connectgaps };
}"""


@pytest.mark.curves
def test_what_is_no_number_and_what_was_never_reported_is_a_gap(watched: tuple[Page, Watch]) -> None:
    page, _ = watched
    drawn: dict[str, Any] = page.evaluate(GAPS)
    reported = dict(zip(drawn["x"], drawn["y"], strict=True))
    assert drawn["connect"] is False
    assert reported[4] == 4
    assert reported[5] is None  # no number
    assert reported[7] == 7
    between = [y for x, y in reported.items() if 10 < x < 40]
    assert between == [None]  # steps that were never reported


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer(FakeDaemon.furnished()) as server:
        yield server
