"""Forgetting on purpose from the page: the choice, what would be forgotten, the receipt, a sleep from before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.fake_daemon.world import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.e2e.browser import Watch
    from tests.fake_daemon.server import ScriptedServer

pytestmark = pytest.mark.browser

Watched = tuple["Page", "Watch"]
RUN = "r-20260301-120000-7f3a"


def orders(scripted: ScriptedServer) -> list[object]:
    """The orders to forget so far, and the dry runs."""
    return [body for method, path, body in scripted.daemon.asked if path == f"/runs/{RUN}/forget" and method]


def dialog_of(page: Page) -> Locator:
    return page.get_by_role("dialog")


def test_a_source_is_forgotten_by_keyboard_alone(watched: Watched, scripted: ScriptedServer) -> None:
    page, _ = watched
    opener = page.get_by_role("button", name="Forget all of stdlib")
    opener.press("Enter")
    dialog = dialog_of(page)
    expect(dialog.get_by_role("radio", name="All of a source")).to_be_checked()
    source = dialog.get_by_label("Source", exact=True)
    expect(source).to_be_focused()
    expect(source).to_have_value("stdlib")
    page.keyboard.press("Tab")  # Cancel
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Forget source stdlib?")).to_be_focused()
    expect(dialog).to_contain_text("12 rows of replayed text (4.00 KiB)")
    expect(dialog).to_contain_text("3,000 bytes of the exact memory")
    expect(dialog).to_contain_text("The weights stay as they are")
    expect(dialog).to_contain_text("The source is still being read")
    assert orders(scripted) == [{"source": "stdlib", "dry_run": True}]
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    assert len(orders(scripted)) == 1  # nothing was forgotten

    opener.press("Enter")
    dialog.get_by_role("button", name="Show what would be forgotten").press("Enter")
    dialog.get_by_role("button", name="Forget permanently").press("Enter")
    expect(dialog.get_by_role("heading", name="Forgotten: source stdlib")).to_be_focused()
    expect(dialog).to_contain_text("Receipt 7, in effect from step")
    expect(dialog).to_contain_text("2 rows of frozen probes, 1 fed texts")
    assert orders(scripted)[-1] == {"source": "stdlib"}
    expect(page.locator("#event-list li[data-kind=experience_forgotten]")).to_contain_text(
        "Forgot source stdlib"
    )
    dialog.get_by_role("button", name="Close").press("Enter")
    expect(page.locator(".memory .status")).to_have_text("Forgotten: source stdlib (receipt 7).")


def test_a_text_of_what_it_remembers_is_forgotten(watched: Watched, scripted: ScriptedServer) -> None:
    page, watch = watched
    run = scripted.daemon.runs[RUN]
    run.latest = {"bpc": 2.6, "mixed_bpc": 1.9}
    scripted.call(partial(scripted.daemon.set_state, run, "running"))
    recall, dialog = page.locator("#recall-panel"), dialog_of(page)
    recall.get_by_label("Context").fill("short")
    recall.get_by_role("button", name="Forget it…").click()
    dialog.get_by_role("button", name="Show what would be forgotten").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "Enter at least 8 bytes of text: anything shorter would be found everywhere."
    )
    dialog.get_by_role("button", name="Cancel").click()
    recall.get_by_label("Context").fill("the bakery is ")
    recall.get_by_role("button", name="Look it up").click()
    recall.get_by_role("button", name="Forget this passage…").click()
    passage = f"{HOSTILE}ry is <b> \\xff"
    expect(dialog.get_by_label("The passage")).to_have_value(passage)
    dialog.get_by_label("The passage").press("Control+Enter")
    expect(dialog).to_contain_text("If a source still contains it, it will be learned again")
    assert orders(scripted) == [{"text": passage, "dry_run": True}]
    scripted.daemon.refuse("POST", f"/runs/{RUN}/forget", 409, "r-9 is alive <b> and replays the same")
    dialog.get_by_role("button", name="Forget permanently").click()
    expect(dialog.get_by_role("status")).to_have_text("r-9 is alive <b> and replays the same")
    scripted.daemon.answers.clear()
    dialog.get_by_role("button", name="Forget permanently").click()
    expect(dialog).to_contain_text(f"SHA-256 of the text: {'ab' * 32}")
    dialog.get_by_role("button", name="Close").click()
    recall.get_by_role("button", name=f"Forget all of {HOSTILE}…").click()
    expect(dialog.get_by_label("Source", exact=True)).to_have_value(HOSTILE)
    watch.check(forgive=["409 (Conflict)"])
    watch.errors.clear()


def test_after_forgetting_it_sleeps_from_a_checkpoint_of_before(
    watched: Watched, scripted: ScriptedServer
) -> None:
    page, _ = watched
    page.locator("#memory-actions").get_by_role("button", name="Forget…").click()
    dialog = dialog_of(page)
    dialog.get_by_label("Everything since a time").check()
    dialog.get_by_label("Since", exact=True).fill("2026-03-01 18:00")
    dialog.get_by_label("Since", exact=True).press("Enter")
    dialog.get_by_role("button", name="Forget permanently").click()
    before = next(one["id"] for one in scripted.daemon.checkpoints if one["step"] == 2000)
    expect(dialog).to_contain_text(f"The weights of {before} (step 2,000) are from before it was first read")
    dialog.get_by_role("button", name="Continue from there and sleep").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "Asleep for 100 steps; see the events for the outcome.", timeout=20_000
    )
    asked = [(path, body) for method, path, body in scripted.daemon.asked if method == "POST"]
    assert asked == [
        (
            f"/runs/{RUN}/forget",
            {"since": "2026-03-01T09:00:00+00:00", "dry_run": True},
        ),  # the browser is in Tokyo
        (f"/runs/{RUN}/forget", {"since": "2026-03-01T09:00:00+00:00"}),
        (f"/runs/{RUN}/actions", {"action": "stop"}),
        (f"/checkpoints/{before}/resume", {"queue": True}),
        (f"/runs/{RUN}/actions", {"action": "sleep"}),
    ]


def test_without_a_trainer_or_a_daemon_nothing_is_offered(watched: Watched, scripted: ScriptedServer) -> None:
    page, watch = watched
    button = page.locator("#memory-actions").get_by_role("button", name="Forget…")
    scripted.call(partial(scripted.daemon.set_state, scripted.daemon.runs[RUN], "stopped"))
    expect(button).to_have_attribute("aria-disabled", "true")
    button.press("Enter")
    expect(page.locator(".memory .status")).to_contain_text("run synapsed forget in a terminal")
    expect(dialog_of(page)).to_be_hidden()
    scripted.stop()
    expect(button).to_have_attribute("title", "no connection to the daemon")
    page.get_by_role("button", name="Forget all of stdlib").press("Enter")
    expect(dialog_of(page)).to_be_hidden()
    watch.errors.clear()
