"""The page over a scripted daemon: what it shows, what it does, what it never does."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import GONE, Watch, wait_until
from tests.fake_daemon.run import SPIKE_STEP, reading
from tests.fake_daemon.server import ScriptedServer
from tests.fake_daemon.world import HOSTILE, FakeDaemon, problem_body

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator

pytestmark = pytest.mark.browser

Watched = tuple[Page, Watch]
RUN = "r-20260301-120000-7f3a"


def fact(page: Page, name: str) -> Locator:
    return page.locator(f"[data-fact={name}]")


def act(page: Page, name: str) -> Locator:
    return page.locator(f"#controls [data-act={name}]")


@pytest.mark.curves
def test_numbers_move_without_reload(watched: Watched) -> None:
    page, _ = watched
    expect(page.locator("#run-name")).to_have_text("night shift")
    expect(page.locator("#run-state")).to_have_text("running")
    before = fact(page, "step").inner_text()
    expect(fact(page, "step")).not_to_have_text(before)
    expect(fact(page, "pace")).to_have_text(re.compile(r"^\d+(\.\d+)?/s$"))
    expect(page.locator("[data-value=bpc]")).to_have_text(re.compile(r"^2\.\d{3}$"))


def test_tiles_tell_value_uncertainty_band_and_reason(watched: Watched) -> None:
    page, _ = watched
    phi = page.locator("[data-tile=phi]")
    expect(phi.locator(".tile-value")).to_have_text(re.compile(r"^0\.\d{3} ± 0\.014$"))
    expect(phi.locator(".band-label")).to_have_text("within 0.4–0.8, project convention")
    agency = page.locator("[data-tile=agency]")
    expect(agency.locator("[data-value=agency]")).to_have_text("–")
    expect(agency.locator(".tile-note")).to_have_text("not available: warming up, 399 of 400 choices")
    phi.focus()
    expect(phi.locator(".tile-detail")).to_be_visible()
    expect(phi.locator(".tile-detail")).to_contain_text("27.4 ms")
    # The bands are those of this run.
    integration = page.locator("[data-tile=integration] .band-label")
    expect(integration).to_have_text("above 0.1–0.6, project convention")
    expect(page.locator("#governor")).to_contain_text(
        re.compile(
            r"^Vital signs were last measured at step [\d,]+, 62 steps after the previous time\. 9 measurements"
        )
    )


def test_alarms_are_shown_acknowledged_and_gone_when_they_clear(
    watched: Watched, scripted: ScriptedServer
) -> None:
    page, _ = watched
    section, daemon, run = page.locator("#alarms"), scripted.daemon, scripted.daemon.runs[RUN]
    expect(section).to_be_hidden()
    low = scripted.call(
        partial(daemon.alarm, run, "agency_low", "warning", "No sense of control", "Raise the learning rate")
    )
    scripted.call(partial(daemon.alarm, run, "collapse", "error", HOSTILE, "Lower the learning rate"))
    rows = section.locator("#alarm-list li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(HOSTILE)  # the graver one stands first, and is text
    expect(rows.nth(1)).to_contain_text("No sense of control (agency 0.213)")
    expect(rows.nth(1)).to_contain_text("Raise the learning rate")
    page.get_by_role("button", name="Acknowledge: collapse").click()
    expect(page.locator("#alarm-status")).to_have_text("collapse: acknowledged.")
    expect(rows.nth(1)).to_have_attribute("data-alarm", "collapse")
    expect(rows.nth(1)).to_contain_text("acknowledged")
    expect(page.get_by_role("button", name="Acknowledge: collapse")).to_have_count(0)
    scripted.call(partial(daemon.clear, run, low))
    expect(rows).to_have_count(1)
    scripted.call(partial(daemon.clear, run, daemon.alarms[1]))
    expect(section).to_be_hidden()


@pytest.mark.curves
def test_curves_draw_the_spike_and_refine_when_zoomed(watched: Watched) -> None:
    page, _ = watched
    plot = page.locator("[data-plot=loss]")
    plot.locator(".main-svg").first.wait_for()
    drawn = "document.querySelector('[data-plot=loss]').data.filter((trace) => trace.yaxis !== 'y2')"
    highest = f"() => Math.max(...{drawn}.flatMap((trace) => trace.y))"
    wait_until(page, f"() => ({highest})() > 9")
    box = plot.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    with page.expect_response(re.compile(r"/series\?.*from=\d+.*to=\d+")) as answer:
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=4)
        page.mouse.up()
    steps = [int(part) for part in re.findall(r"(?:from|to)=(\d+)", answer.value.url)]
    assert 0 < steps[0] < SPIKE_STEP < steps[1]
    expect(page.locator("#zoom-note")).to_contain_text("steps")
    ranged = "() => document.querySelector('[data-plot=loss]').layout.xaxis.range.map(Math.round).join()"
    before = page.evaluate(ranged)
    step = fact(page, "step").inner_text()
    expect(fact(page, "step")).not_to_have_text(step)
    wait_until(
        page,
        "(seen) => document.querySelector('#plots .now').textContent !== seen",
        arg=page.locator("#plots .now").first.inner_text(),
    )
    assert page.evaluate(ranged) == before, "live data moved the reader's zoom"
    page.get_by_role("button", name="All", exact=True).click()
    wait_until(page, f"(before) => ({ranged})() !== before", arg=before)


@pytest.mark.curves
def test_hover_log_steps_and_legend_keep_the_policy(watched: Watched) -> None:
    """Plotly styles raised text and some labels inline; what is asked of it here needs none of that."""
    page, _ = watched
    loss = page.locator("[data-plot=loss]")
    loss.locator(".main-svg").first.wait_for()
    for name in ("loss", "vitals", "rate"):
        plot = page.locator(f"[data-plot={name}]")
        plot.scroll_into_view_if_needed()
        plot.hover(position={"x": 150, "y": 60})
        expect(plot.locator(".hoverlayer")).to_contain_text("step ")
    page.get_by_role("button", name="Log steps").click()
    wait_until(page, "() => document.querySelector('[data-plot=loss]').layout.xaxis.type === 'log'")
    loss.hover(position={"x": 700, "y": 60})
    expect(loss.locator(".hoverlayer")).to_contain_text("bpc")
    drawn = "() => document.querySelector('[data-plot=loss]').data.length"
    before = page.evaluate(drawn)
    page.get_by_role("button", name="held-out").click()
    assert page.evaluate(drawn) == before - 1


@pytest.mark.curves
def test_live_points_come_from_deltas_not_from_the_series(watched: Watched) -> None:
    page, _ = watched
    page.locator("[data-plot=loss] .main-svg").first.wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/series" in request.url else None)
    last = "() => document.querySelector('[data-plot=loss]').data.at(-2).x.at(-1)"
    before = page.evaluate(last)
    wait_until(page, f"(before) => ({last})() > before + 10", arg=before)
    assert asked == []


def test_controls_follow_the_state(watched: Watched) -> None:
    page, _ = watched
    expect(act(page, "start")).to_have_attribute("aria-disabled", "true")
    act(page, "start").press("Enter")  # reachable by keyboard, so that its reason can be read
    expect(page.locator("#outcome")).to_contain_text("one run learns at a time")
    act(page, "pause").click()
    expect(page.locator("#run-state")).to_have_text("paused")
    expect(act(page, "pause")).to_be_hidden()
    act(page, "continue").click()
    expect(page.locator("#run-state")).to_have_text("running")
    act(page, "checkpoint").click()
    expect(page.locator("#outcome")).to_have_text(
        re.compile(r"^Checkpoint saved at step [\d,]+: continuous_\d+\.$")
    )
    expect(page.locator("#checkpoints tbody tr")).to_have_count(7)
    act(page, "stop").click()
    expect(page.locator("#run-state")).to_have_text("stopped")
    expect(page.locator("#outcome")).to_contain_text("Stopped")
    expect(act(page, "resume")).to_be_visible()
    page.locator("#checkpoints tbody tr").first.get_by_role("button", name="Resume").click()
    expect(page.locator("#run-state")).to_have_text("running")
    expect(page.locator("#outcome")).to_have_text("")
    act(page, "pause").click()
    expect(page.locator("#outcome")).to_contain_text("Paused at step")
    act(page, "stop").click()
    expect(act(page, "resume")).to_be_visible()
    act(page, "resume").click()
    expect(page.locator("#run-state")).to_have_text("running")
    expect(page.locator("#outcome")).to_contain_text("Resumed from")


def test_a_run_is_started_from_the_dialog(watched: Watched, scripted: ScriptedServer) -> None:
    page, _ = watched
    act(page, "stop").click()
    expect(page.locator("#run-state")).to_have_text("stopped")
    act(page, "start").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Preset").select_option("tiny")
    dialog.get_by_label("Files and folders").fill("/data/a\n/data/b c\n")
    dialog.get_by_label("Name").fill("from the page")
    dialog.get_by_label("Stop after hours").fill("-1")
    dialog.get_by_role("button", name="Start learning").click()
    expect(dialog).to_contain_text("a number above zero")
    dialog.get_by_label("Stop after hours").fill("1.5")
    dialog.get_by_text("Settings", exact=True).click()
    dialog.get_by_label("Settings, one").fill("replay.share=0.25\nstream.mix=sequential")
    dialog.get_by_role("button", name="Start learning").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#run-name")).to_have_text("from the page")
    config = {"stream.data": ["/data/a", "/data/b c"], "replay.share": 0.25, "stream.mix": "sequential"}
    assert scripted.daemon.seen[-1] == {
        "preset": "tiny",
        "name": "from the page",
        "hours": 1.5,
        "config": config,
    }


def test_what_is_refused_is_reported(watched: Watched, scripted: ScriptedServer) -> None:
    page, watch = watched
    expect(page.locator("#checkpoints-note")).to_contain_text("1 damaged, set aside")
    newest = scripted.daemon.checkpoints[0]["id"]
    page.get_by_role("button", name=f"pin {newest}").click()
    expect(page.locator(f"[data-checkpoint={newest}]")).to_contain_text("pinned")
    page.get_by_role("button", name=f"Delete {newest}").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert scripted.daemon.checkpoints[0]["id"] == newest
    page.get_by_role("button", name=f"Delete {newest}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"{newest} is pinned. Unpin it first.")).to_be_visible()
    oldest = scripted.daemon.checkpoints[-1]["id"]
    page.get_by_role("button", name=f"Delete {oldest}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(f"[data-checkpoint={oldest}]")).to_have_count(0)
    page.get_by_role("button", name=f"Export {newest}").click()
    expect(page.locator(".command")).to_have_text(f"synapsed export {newest} --format pt")
    watch.check(forgive=["409 (Conflict)"])
    watch.errors.clear()


def test_a_run_is_deleted_once_its_name_is_typed(watched: Watched, scripted: ScriptedServer) -> None:
    page, _ = watched
    run = next(iter(scripted.daemon.runs.values()))
    scripted.call(partial(scripted.daemon.set_state, run, "stopped"))
    row = page.locator("#runs tbody tr").filter(has_text=run.name).last
    row.get_by_role("button", name=f"Delete {run.name}").click()
    agree = page.get_by_role("dialog").get_by_role("button", name="Delete permanently")
    expect(agree).to_be_disabled()
    page.get_by_role("dialog").get_by_role("textbox").fill(run.id)
    agree.click()
    expect(page.locator("#runs")).to_contain_text(f"{run.name} is deleted")
    assert run.id not in scripted.daemon.runs


@pytest.mark.parametrize(
    ("name", "typed"), [("  night\tshift\n", "night shift"), (" old one", "r-odd"), ("\x1b", "r-odd")]
)
def test_a_run_whose_name_cannot_be_typed_is_deleted(
    watched: Watched, scripted: ScriptedServer, name: str, typed: str
) -> None:
    page, _ = watched
    odd = replace(next(iter(scripted.daemon.runs.values())), id="r-odd", name=name, state="stopped")
    scripted.call(partial(scripted.daemon.add, odd))
    page.locator("#runs tr", has=page.locator("[title='r-odd']")).locator("[data-act=delete]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("strong").last).to_have_text("r-odd")
    dialog.get_by_role("textbox").fill(typed)
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#runs")).to_contain_text("is deleted")
    assert "r-odd" not in scripted.daemon.runs


def test_an_answer_stands_without_its_prompt(watched: Watched, scripted: ScriptedServer) -> None:
    page, _ = watched
    scripted.daemon.generated, scripted.daemon.probability = "weather", 0.973
    page.get_by_label("Prompt").fill("wind")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer")).to_have_text("weather")
    expect(page.locator("#ask-status")).to_contain_text("probability 0.97")


@pytest.mark.curves
def test_no_text_becomes_markup(watched: Watched) -> None:
    page, _ = watched
    page.get_by_label("Text to learn from").fill(HOSTILE)
    page.get_by_role("button", name="Feed").click()
    expect(page.locator("#feed-status")).to_have_text(
        re.compile(r"^Saved; it is read from step [\d,]+ on\.$")
    )
    expect(page.locator("#sample")).to_have_text(HOSTILE)
    page.get_by_label("Prompt").fill("<b>hello")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer")).to_contain_text(f"<b>hello{HOSTILE} and more")
    expect(page.locator("#event-list")).to_contain_text("<img")
    expect(page.locator("#held-out")).to_contain_text("onerror")
    assert page.locator("img[src=x], main b:text('bold')").count() == 0
    assert page.title() != "owned"


def test_events_filter_and_load_older(watched: Watched, scripted: ScriptedServer) -> None:
    page, _ = watched
    run = scripted.daemon.runs[RUN]
    for number in range(3):
        scripted.call(partial(scripted.daemon.note, run, "pass_finished", f"pass {number}"))
    rows = page.locator("#event-list li")
    expect(rows.first).to_contain_text("pass 2")
    page.get_by_label("Severity").select_option("error")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("No space left on device")
    page.get_by_label("Severity").select_option("")
    page.get_by_label("Kind").select_option("checkpoint_saved")
    expect(rows).to_have_count(6)
    expect(page.locator("#events-older")).to_have_text("no older events")


def test_what_a_kind_of_brain_cannot_have_steps_back_and_its_accuracy_is_shown(
    watched: Watched, scripted: ScriptedServer
) -> None:
    page, _ = watched
    lacking = {
        "phi": "has no modules",
        "agency": "has no modules",
        "self_prediction_error": "has no self model",
    }
    readings = {
        name: {
            **reading(name, 40),
            "value": None,
            "reason": f"this brain {what}",
            "detail": {"unsupported": 1.0},
        }
        for name, what in lacking.items()
    }
    labelled = replace(
        scripted.daemon.runs[RUN],
        id="r-labels",
        name="labels",
        state="stopped",
        latest={"bpc": 0.02, "accuracy": 0.717, "held_out_accuracy": 0.444, "held_out_examples": 108.0},
        readings=readings,
        abilities={"answers": True, "learns_labels": True, "can_grow": False, "observable": False},
    )
    tiles = page.locator("#tiles .tile-name")
    expect(tiles).to_have_count(6)
    scripted.call(partial(scripted.daemon.add, labelled))
    remembering = replace(
        scripted.daemon.runs[RUN],
        id="r-memory",
        name="two memories",
        state="stopped",
        latest={
            "bpc": 2.617,
            "mixed_bpc": 1.874,
            "reliance": 0.73,
            "held_out_bpc": 2.5,
            "held_out_mixed_bpc": 1.75,
            "reliance/stdlib": 0.61,
        },
    )
    scripted.call(partial(scripted.daemon.add, remembering))
    page.get_by_role("button", name="Show two memories").click()
    expect(page.locator("[data-value=mixed_bpc]")).to_have_text("1.874")
    expect(page.locator("[data-tile=mixed_bpc]")).to_contain_text("73 % of the evidence from memory")
    expect(page.locator("#detail-mixed_bpc")).to_contain_text("held-out, with memory1.750")
    both = page.locator("#held-out tbody tr", has_text="stdlib").locator("td")
    expect(both.nth(1)).to_have_text("2.130")
    expect(both.nth(2)).to_have_text("1.630")
    expect(both.nth(3)).to_have_text("61 %")
    expect(tiles.first).to_have_text("BPC")
    expect(page.locator("#recall-panel")).to_be_visible()
    drawing, label = page.locator("#ask label"), page.locator("#feed label")
    growth = page.get_by_role("button", name="Show growth sites")
    expect(page.get_by_label("Prompt")).to_have_attribute("placeholder", "Text for it to continue")
    expect(drawing.first).to_be_visible()
    expect(label).to_be_hidden()
    expect(growth).to_be_visible()
    page.get_by_role("button", name="Show labels").click()
    expect(page.get_by_label("Prompt")).to_have_attribute("placeholder", "Text for it to label")
    expect(drawing.filter(visible=True)).to_have_count(0)
    expect(label).to_be_visible()
    expect(growth).to_be_hidden()
    expect(page.locator("#recall-panel")).to_be_hidden()
    for column in page.locator("#held-out th.mixed").all():
        expect(column).to_be_hidden()
    expect(tiles).to_have_text(["BPC", "Accuracy", "Held-out accuracy", "Integration", "Confidence"])
    expect(page.locator("[data-value=accuracy]")).to_have_text("0.717")
    held_out = page.locator("[data-tile=held_out_accuracy]")
    expect(held_out).to_contain_text("0.444")
    expect(held_out).to_contain_text("of 108 examples never learned")
    expect(page.locator("#unsupported")).to_have_text(
        "Not for this kind of brain: Φ, agency (it has no modules); self-prediction error (it has no self model)."
    )
    page.get_by_role("button", name="Follow the learning run").click()
    expect(tiles).to_have_count(6)
    expect(page.locator("#unsupported")).to_be_hidden()


def test_what_it_remembers_of_a_context_is_looked_up_and_shown_as_text(
    watched: Watched, scripted: ScriptedServer
) -> None:
    page, watch = watched
    panel, status = page.locator("#recall-panel"), page.locator("#recall-status")
    expect(panel).to_be_hidden()
    run = scripted.daemon.runs[RUN]
    run.latest = {"bpc": 2.6, "mixed_bpc": 1.9}
    scripted.call(partial(scripted.daemon.set_state, run, "running"))
    expect(panel).to_be_visible()
    button = panel.get_by_role("button", name="Look it up")
    button.click()
    expect(status).to_have_text("Type a context first.")
    panel.get_by_label("Context").fill("<i>the bakery is ")
    button.click()
    expect(status).to_have_text(re.compile(r"^at step [\d,]+$"))
    expect(panel).to_contain_text(
        f"The longest match has 6 bytes, read 1,234 bytes ago, at step 40 from {HOSTILE}."
    )
    expect(page.locator("#recalled-passage")).to_have_text(f"{HOSTILE}ry is <b> \\xff")
    expect(page.locator("#recalled-passage mark")).to_have_text("ry is ")
    cells = page.locator("#recalled-next tbody td")
    expect(cells).to_have_text(["< 75.0 %"] * 3 + ["\\n 25.0 %"] * 3)
    expect(page.locator("#recalled-completion")).to_have_text(f"Memory continues: {HOSTILE} on")
    assert scripted.daemon.asked[-1][1:] == (f"/runs/{RUN}/remembers", {"context": "<i>the bakery is "})
    panel.get_by_label("Context").fill("ry")
    panel.get_by_label("Context").press("Control+Enter")
    expect(panel).to_contain_text("No match of six bytes or more.")
    expect(page.locator("#recalled-completion")).to_have_text("Memory has no confident continuation.")
    scripted.daemon.answers["POST", f"/runs/{RUN}/remembers"] = (409, problem_body(409, "it is paused <b>"))
    button.click()
    expect(status).to_have_text("it is paused <b>")
    watch.check(forgive=["409 (Conflict)"])
    watch.errors.clear()


def test_another_run_can_be_shown(watched: Watched) -> None:
    page, _ = watched
    page.get_by_role("button", name="Show first words").click()
    expect(page.locator("#run-name")).to_have_text("first words")
    expect(fact(page, "step")).to_have_text("2,000")
    assert "run=" in page.url
    page.get_by_role("button", name="Follow the learning run").click()
    expect(page.locator("#run-name")).to_have_text("night shift")


def test_memory_shows_what_was_forgotten_and_sleeps_by_hand(watched: Watched) -> None:
    page, _ = watched
    cells = page.locator("#memory tbody tr").first.locator("td")
    # The newest score is 2.75; shown is the smoothed one, as the best and the forgetting are smoothed too.
    expect(cells).to_have_text(["stdlib", "2.625", "2.500", "0.125", "Forget…"])
    expect(cells.nth(1)).to_have_attribute("title", "2.750 at the last measurement")
    expect(page.locator(".memory .aside")).to_contain_text("Mean forgetting 0.125 BPC, worst 0.125")
    page.locator("#memory-actions [data-act=sleep]").click()
    expect(page.locator(".memory .status")).to_have_text(
        "Asleep for 100 steps; see the events for the outcome."
    )


def test_schedule_is_paused_and_run(watched: Watched) -> None:
    page, _ = watched
    page.get_by_role("button", name="Pause pruning").click()
    expect(page.locator("[data-job=pruning]")).to_contain_text("paused")
    page.get_by_role("button", name="Run upkeep now").click()
    expect(page.locator("#event-list li").first).to_contain_text("upkeep: ran")


def test_times_are_local_with_utc_on_hover(watched: Watched) -> None:
    page, _ = watched
    time = page.locator("#event-list time").first
    hour = int(time.inner_text().split(":")[0][-2:])
    utc_hour = int((time.get_attribute("title") or "")[11:13])
    assert (time.get_attribute("title") or "").endswith(" UTC")
    assert (utc_hour + 9) % 24 == hour


def test_reconnects_over_a_restart_and_misses_no_event(context: BrowserContext) -> None:
    daemon = FakeDaemon.furnished(step=300)
    run = daemon.runs[RUN]
    page = context.new_page()
    with ScriptedServer(daemon) as first:
        port, url = first.port, first.url
        watch = Watch.over(page, url)
        page.goto(url)
        page.locator("#connection[data-phase=live]").wait_for()
        expect(page.locator("#event-list li").first).to_be_visible()
    expect(page.locator("#connection-text")).to_have_text(re.compile(r"^reconnecting"))
    expect(act(page, "pause")).to_have_attribute("title", "no connection to the daemon")
    daemon.epoch = "e2"
    for number in range(250):
        daemon.note(run, "pass_finished", f"away {number}")
    with ScriptedServer(daemon, port):
        expect(page.locator("#connection[data-phase=live]")).to_be_visible()
        expect(page.locator("#event-list li", has_text="away ")).to_have_count(250)
        step = fact(page, "step").inner_text()
        expect(fact(page, "step")).not_to_have_text(step)
    watch.check(forgive=GONE)


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.curves
def test_fits_the_screen_and_nothing_jumps(chromium_page: Page, width: int, scripted: ScriptedServer) -> None:
    page = chromium_page
    page.set_viewport_size({"width": width, "height": 844})
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => "
        "{ for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value })"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    page.goto(scripted.url)
    page.locator("#connection[data-phase=live]").wait_for()
    step = fact(page, "step").inner_text()
    expect(fact(page, "step")).not_to_have_text(step)
    page.locator("[data-plot=loss]").scroll_into_view_if_needed()
    page.locator("[data-plot=loss] .main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shift") < 0.1
    assert page.evaluate(CUT) == []


# Tiles whose words are cut off, and tables with a scroll bar though no cell is cut.
CUT = """() => [
  ...[...document.querySelectorAll('.tile')].filter((tile) => tile.scrollHeight > tile.clientHeight),
  ...[...document.querySelectorAll('.tile-name, .band-label')].filter((name) => name.scrollWidth > name.clientWidth),
  ...[...document.querySelectorAll('.table-scroll')].filter((holder) =>
    holder.scrollWidth > Math.max(holder.clientWidth, holder.querySelector('table').offsetWidth)),
].map((node) => node.textContent)"""


@pytest.fixture
def chromium_page(context: BrowserContext) -> Page:
    """A page that nobody has opened yet."""
    return context.new_page()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.curves
def test_text_has_enough_contrast(chromium_page: Page, scheme: str, scripted: ScriptedServer) -> None:
    page = chromium_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(scripted.url)
    expect(page.locator("#event-list li").first).to_be_visible()
    poor = page.evaluate(CONTRAST)
    assert poor == []


# Every element with text of its own against the first opaque ground behind it, by WCAG 2: 4.5 at least.
CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const curve = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const part = (value) => curve(value / 255);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const color = parse(getComputedStyle(up).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *:not(svg *):not(script):not(.only-read)")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.tagName === "OPTION") continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const start = node.textContent.slice(0, 30);
    if (ratio < 4.5) poor.push([node.tagName, node.className, start, ratio.toFixed(2)].join(" "));
  }
  return poor;
}"""
