// What the exact memory knows of a typed context: the longest match, the next byte by each memory, a completion.

import { allow, perform, setStatus } from "./actions.js";
import { byId, element } from "./dom.js";
import { openForget } from "./forget_dialog.js";
import { count, percent } from "./format.js";
import { availability } from "./state.js";
import { rowButton } from "./table.js";
import { submitOnKey } from "./talk.js";

const SHARES = [
  ["Memory alone", "memory"],
  ["Network alone", "network"],
  ["Both", "both"],
];

export function mountRecall(page) {
  const form = byId("recall");
  const panel = byId("recall-panel");
  const context = element("textarea", { name: "context", rows: 2, "aria-label": "Context", placeholder: "Text it may have read before" });
  const status = element("p", { class: "status", id: "recall-status", role: "status" });
  const button = element("button", { type: "submit", class: "primary", text: "Look it up" });
  const forget = element("button", { type: "button", text: "Forget it…", data: { act: "forget" }, on: { click: () => askToForget({ text: context.value }) } });
  const found = element("div", { class: "recalled", id: "recalled", hidden: true });
  form.append(context, element("div", { class: "row" }, status, element("div", { class: "buttons" }, forget, button)), found);
  submitOnKey(form, context);
  function askToForget(given) {
    if (forget.getAttribute("aria-disabled") === "true") setStatus(status, `Not now: ${forget.title}.`);
    else openForget(page, status, given);
  }
  form.addEventListener("submit", (submission) => {
    submission.preventDefault();
    if (!context.value) {
      setStatus(status, "Type a context first.", "bad");
      return;
    }
    perform(button, status, "Looking it up …", async () => {
      const path = `/runs/${encodeURIComponent(page.shown().id)}/remembers`;
      const answer = await page.api.post(path, { context: context.value });
      found.hidden = false;
      found.replaceChildren(...recalled(answer, askToForget));
      return `at step ${count(answer.step)}`;
    });
  });
  page.onRun.push(() => {
    found.hidden = true;
    setStatus(status, "");
  });
  return (state, run) => {
    panel.hidden = (run?.latest?.mixed_bpc ?? null) === null;
    const can = availability(state);
    allow(button, can.talk);
    allow(forget, can.forget);
  };
}

/** The longest match in words. */
export function matchLine(match) {
  if (match === null) return "No match of six bytes or more.";
  const step = match.step === null ? "" : `, at step ${count(match.step)}`;
  const source = match.source === null ? "" : ` from ${match.source}`;
  return `The longest match has ${count(match.length)} bytes, read ${count(match.bytes_ago)} bytes ago${step}${source}.`;
}

/** What stands before the completion; without a match it follows from shorter contexts. */
export function completionLine(completion, match) {
  if (!completion) return "Memory has no confident continuation.";
  return match === null ? "From fewer than six bytes, memory guesses: " : "Memory continues: ";
}

function recalled(answer, askToForget) {
  const { match, next, completion } = answer;
  const parts = [element("p", { text: matchLine(match) })];
  if (match !== null) {
    parts.push(element("pre", { class: "generated", id: "recalled-passage", tabindex: 0 },
      element("span", { class: "prompt", text: match.before }), element("mark", { text: match.matched }), match.after));
    const passage = match.before + match.matched + match.after;
    parts.push(element("div", { class: "buttons" },
      rowButton("Forget this passage…", "forget-passage", () => askToForget({ text: passage })),
      match.source !== null && rowButton(`Forget all of ${match.source}…`, "forget-source", () => askToForget({ source: match.source }))));
  }
  parts.push(nextBytes(next));
  parts.push(element("p", { id: "recalled-completion" },
    completionLine(completion, match), completion ? element("code", { text: completion }) : null));
  return parts;
}

/** The likeliest next bytes, a column for each memory. */
function nextBytes(next) {
  const head = SHARES.map(([label]) => element("th", { scope: "col", text: label }));
  const rows = next.both.map((_, rank) =>
    element("tr", {}, ...SHARES.map(([, name]) => {
      const { text, probability } = next[name][rank];
      return element("td", {}, element("code", { text }), ` ${percent(probability, 1)}`);
    })));
  return element("table", { "aria-label": "Next byte", id: "recalled-next" },
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
}
