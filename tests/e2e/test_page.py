"""The page over the real daemon: a person's whole way, from the first start to a restart of everything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser import GONE, Watch, wait_until
from tests.e2e.servers import RealServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

pytestmark = [pytest.mark.browser, pytest.mark.curves, pytest.mark.slow]

PATIENCE_MS = 60_000


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    """Something to read, large enough for a held-out block."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(4):
        line = f"file {number}: the quick brown fox jumps over the lazy dog, and on it goes.\n"
        (folder / f"{number}.txt").write_text(line * 4000, encoding="utf-8")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    """A daemon with nothing learning."""
    server = RealServer(tmp_path / "home")
    yield server
    server.stop()


def state(page: Page) -> Locator:
    return page.locator("#run-state")


def step_of(page: Page) -> int:
    return int(page.locator("[data-fact=step]").inner_text().replace(",", "").replace("–", "0"))


def wait_for_step(page: Page, step: int) -> None:
    wait_until(
        page,
        "(step) => Number(document.querySelector('[data-fact=step]').innerText.replaceAll(',', '')) >= step",
        arg=step,
        timeout=PATIENCE_MS,
    )


def act(page: Page, name: str) -> None:
    page.locator(f"#controls [data-act={name}]").click()


def start_tiny_run(page: Page, folder: Path) -> None:
    act(page, "start")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Preset").select_option("tiny")
    dialog.get_by_label("Files and folders").fill(str(folder))
    dialog.get_by_label("Name").fill("first light")
    dialog.get_by_role("button", name="Start learning").click()
    expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
    expect(state(page)).to_have_text("running", timeout=PATIENCE_MS)


def shown_events(page: Page) -> set[int]:
    """Sequence numbers of every event on the page, once all pages of the feed are loaded."""
    return set(
        page.eval_on_selector_all("#event-list li", "(rows) => rows.map((row) => Number(row.dataset.seq))")
    )


def stored_events(page: Page) -> set[int]:
    script = """async () => {
      const seen = [];
      for (let cursor = null; ; ) {
        const query = new URLSearchParams({ limit: 500, ...(cursor ? { cursor } : {}) });
        const answer = await (await fetch(`/api/v1/events?${query}`)).json();
        seen.push(...answer.items.map((one) => one.seq));
        if (!(cursor = answer.next)) return seen;
      }
    }"""
    return set(page.evaluate(script))


def test_a_whole_life(context: BrowserContext, server: RealServer, text_folder: Path, tmp_path: Path) -> None:
    page = context.new_page()
    watch = Watch.over(page, server.page_url)
    page.goto(server.page_url)
    page.locator("#connection[data-phase=live]").wait_for()
    expect(state(page)).to_have_text("no run yet")
    assert "token" not in page.url

    start_tiny_run(page, text_folder)
    wait_for_step(page, 20)
    expect(page.locator("[data-value=bpc]")).to_have_text(re.compile(r"^\d\.\d{3}$"))
    wait_until(
        page, "() => (document.querySelector('[data-plot=loss]').data ?? []).some((t) => t.x.length > 5)"
    )

    page.get_by_label("Text to learn from").fill('<img src=x onerror="document.title=1"> fed by hand')
    page.get_by_role("button", name="Feed").click()
    expect(page.locator("#feed-status")).to_have_text(
        re.compile(r"^Saved; it is read from step [\d,]+ on\.$")
    )
    expect(page.locator("#event-list")).to_contain_text("50 bytes of text were fed (from api)")
    assert page.locator("main img").count() == 0

    page.get_by_label("Prompt").fill("the quick ")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#ask-status")).to_have_text(
        re.compile(r"^\d+ bytes, at step [\d,]+$"), timeout=PATIENCE_MS
    )

    act(page, "pause")
    expect(state(page)).to_have_text("paused", timeout=PATIENCE_MS)
    act(page, "continue")
    expect(state(page)).to_have_text("running", timeout=PATIENCE_MS)
    act(page, "checkpoint")
    expect(page.locator("#outcome")).to_contain_text("Checkpoint saved at step", timeout=PATIENCE_MS)
    expect(page.locator("#checkpoints tbody tr").first).to_contain_text("manual")

    act(page, "stop")
    expect(state(page)).to_have_text("stopped", timeout=PATIENCE_MS)
    expect(page.locator("#outcome")).to_contain_text("Stopped", timeout=PATIENCE_MS)
    stopped_at = step_of(page)
    act(page, "resume")
    expect(state(page)).to_have_text("running", timeout=PATIENCE_MS)
    wait_for_step(page, stopped_at + 10)
    expect(page.locator("#run-name")).to_have_text("first light")
    watch.check()

    server.kill()
    expect(page.locator("#connection-text")).to_have_text(re.compile(r"^reconnecting"), timeout=PATIENCE_MS)
    revived = RealServer(tmp_path / "home", server.port)
    try:
        expect(page.locator("#connection[data-phase=live]")).to_be_visible(timeout=PATIENCE_MS)
        # The next daemon ends the runs of the one that died; resuming is left to the person.
        expect(state(page)).to_have_text("stopped", timeout=PATIENCE_MS)
        act(page, "resume")
        expect(state(page)).to_have_text("running", timeout=PATIENCE_MS)
        wait_for_step(page, stopped_at + 20)
        wait_until(
            page,
            "(count) => document.querySelectorAll('#event-list li').length >= count",
            arg=len(stored_events(page)),
        )
        missed = stored_events(page) - shown_events(page)
        assert missed == set() or min(missed) > max(shown_events(page))
        act(page, "stop")
        expect(state(page)).to_have_text("stopped", timeout=PATIENCE_MS)
    finally:
        revived.stop()
    watch.check(forgive=GONE)


def test_a_brain_is_grown_by_hand(context: BrowserContext, server: RealServer, text_folder: Path) -> None:
    page = context.new_page()
    watch = Watch.over(page, server.page_url)
    page.goto(server.page_url)
    page.locator("#connection[data-phase=live]").wait_for()
    start_tiny_run(page, text_folder)
    wait_for_step(page, 5)

    page.get_by_role("button", name="Show growth sites").click()
    rows = page.locator("#growth tbody tr")
    expect(rows.last).to_contain_text("self_model", timeout=PATIENCE_MS)
    expect(page.locator("#modules")).to_contain_text("blocks.0.mixer → blocks.0.mlp → blocks.1.mixer →")
    expect(page.get_by_role("button", name="Add a block after that of self_model")).to_be_disabled()
    sites = rows.count()

    page.get_by_role("button", name="Grow blocks.0.mlp").click()
    reported = page.locator(".growth .status")
    expect(reported).to_have_text(
        re.compile(r"^blocks\.0\.mlp grew from [\d,]+ to [\d,]+ units\.$"), timeout=PATIENCE_MS
    )
    grown = page.locator("#growth-past tbody tr")
    expect(grown).to_contain_text("on trial: ", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Add a block after that of blocks.0.mlp").click()
    expect(reported).to_have_text(
        re.compile(r"^A block of [\d,]+ units was added after blocks\.0\.mlp\.$"), timeout=PATIENCE_MS
    )
    expect(grown.last).to_contain_text("not judged: something else grew meanwhile", timeout=PATIENCE_MS)
    expect(rows).to_have_count(sites + 2)
    expect(page.locator("#event-list")).to_contain_text("Growing a block after blocks.0.mlp: By hand")

    expect(page.get_by_role("button", name="Add an expert beside self_model")).to_be_disabled()
    page.get_by_role("button", name="Add an expert beside blocks.0.mlp").click()
    expect(reported).to_have_text(
        re.compile(r"^An expert of [\d,]+ units was added beside blocks\.0\.mlp\.$"), timeout=PATIENCE_MS
    )
    expect(rows.filter(has_text="blocks.0.experts.0")).to_have_count(1)
    expect(page.locator("#event-list")).to_contain_text("Growing an expert beside blocks.0.mlp: By hand")

    column = page.get_by_role("button", name="Add a column")
    column.click()
    page.get_by_role("button", name="Cancel").click()
    expect(rows.filter(has_text="columns.0.")).to_have_count(0)
    column.click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(reported).to_have_text(
        re.compile(r"^A column of [\d,]+ units was added; everything older is frozen\.$"), timeout=PATIENCE_MS
    )
    expect(rows.filter(has_text="columns.0.blocks.0.mlp")).to_have_count(1)
    frozen = page.get_by_role("button", name="Grow blocks.0.mlp", exact=True)
    expect(frozen).to_be_disabled()
    expect(frozen).to_have_attribute("title", "frozen: an older column")
    expect(page.get_by_role("button", name="Grow columns.0.blocks.0.mlp")).to_be_enabled()
    act(page, "stop")
    expect(state(page)).to_have_text("stopped", timeout=PATIENCE_MS)
    assert watch.errors == []


def test_a_mistake_is_answered_at_its_field(context: BrowserContext, server: RealServer) -> None:
    page = context.new_page()
    page.goto(server.page_url)
    page.locator("#connection[data-phase=live]").wait_for()
    act(page, "start")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Files and folders").fill("/no/such/place")
    dialog.get_by_role("button", name="Start learning").click()
    expect(dialog.locator(".field-error:visible")).to_contain_text("/no/such/place")
    dialog.get_by_label("Files and folders").fill("")
    dialog.get_by_text("Settings", exact=True).click()
    dialog.get_by_label("Settings, one").fill("replay.capcity=5")
    dialog.get_by_role("button", name="Start learning").click()
    expect(dialog.locator(".field-error:visible")).to_contain_text("did you mean replay.capacity?")
    expect(state(page)).to_have_text("no run yet")


def test_an_unknown_browser_is_shown_how_to_sign_in(context: BrowserContext, server: RealServer) -> None:
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    expect(page.get_by_text("token").first).to_be_visible()
    assert page.locator("#tiles").count() == 0
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This is not the token of this home.")).to_be_visible()
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
