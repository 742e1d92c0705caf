// The newest sample of generated text, a box to prompt the brain, a box to feed it text.

import { abilitiesOf, experienceOf, questionOf } from "./abilities.js";
import { allow, perform, setStatus } from "./actions.js";
import { byId, element, setAttribute, setText, timeElement } from "./dom.js";
import { bytes, count } from "./format.js";
import { availability } from "./state.js";

export function mountTalk(page) {
  const ask = mountAsk(page);
  const feed = mountFeed(page);
  let sampleKey = null;
  return (state, run) => {
    setText(byId("sample"), run?.sample ?? "no sample yet");
    const key = `${run?.id}/${run?.sample_step}`;
    if (key !== sampleKey) {
      sampleKey = key;
      const when = byId("sample-when");
      if (run?.sample_time) when.replaceChildren(`step ${count(run.sample_step)}, `, timeElement(run.sample_time));
      else when.replaceChildren();
    }
    const reason = availability(state).talk;
    const abilities = abilitiesOf(run);
    allow(ask.button, reason);
    allow(feed.button, reason);
    ask.fit(abilities);
    feed.fit(abilities);
  };
}

function slider(label, name, { min, max, step, value }) {
  const output = element("output", { text: value });
  const input = element("input", { type: "range", name, min, max, step, value, on: { input: () => setText(output, input.value) } });
  return element("label", {}, element("span", { class: "with-value" }, label, output), input);
}

function mountAsk(page) {
  const form = byId("ask");
  const prompt = element("textarea", { name: "prompt", rows: 2, "aria-label": "Prompt", });
  const answer = element("pre", { class: "generated answer", id: "answer", tabindex: 0, hidden: true });
  const status = element("p", { class: "status", id: "ask-status", role: "status" });
  const button = element("button", { type: "submit", class: "primary", text: "Ask" });
  const drawing = [
    slider("temperature", "temperature", { min: 0.1, max: 1.5, step: 0.05, value: 0.8 }),
    slider("top-p", "top_p", { min: 0.1, max: 1, step: 0.05, value: 0.95 }),
    element("label", {}, "bytes", element("input", { type: "number", name: "max_bytes", min: 1, max: 4000, value: 200 })),
  ];
  form.append(prompt, element("div", { class: "row" }, ...drawing, button), status, answer);
  submitOnKey(form, prompt);
  form.addEventListener("submit", (submission) => {
    submission.preventDefault();
    perform(button, status, "Generating …", async () => {
      const body = questionOf(Object.fromEntries(new FormData(form)), abilitiesOf(page.shown()));
      const generated = await page.api.post(`/runs/${encodeURIComponent(page.shown().id)}/generate`, body);
      answer.hidden = false;
      const known = generated.probability != null;
      if (generated.is_answer) answer.replaceChildren(known ? generated.text : "no answer yet");
      else answer.replaceChildren(element("span", { class: "prompt", text: body.prompt }), generated.text);
      const what = known ? `probability ${generated.probability.toFixed(2)}` : `${count(generated.bytes_generated)} bytes`;
      return `${what}, at step ${count(generated.step)}`;
    });
  });
  const fit = (abilities) => {
    for (const control of drawing) control.hidden = abilities.answers;
    setAttribute(prompt, "placeholder", abilities.answers ? "Text for it to label" : "Text for it to continue");
  };
  page.onRun.push(() => {
    answer.hidden = true; // it was that of another brain
    setStatus(status, "");
  });
  return { button, fit };
}

function mountFeed(page) {
  const form = byId("feed");
  const text = element("textarea", { name: "text", rows: 3, "aria-label": "Text to learn from", placeholder: "Text for it to learn from" });
  const label = element("input", { name: "label", maxlength: 1000, autocomplete: "off" });
  const labelled = element("label", { hidden: true }, "label", label);
  const size = element("span", { class: "aside" });
  const status = element("p", { class: "status", id: "feed-status", role: "status" });
  const button = element("button", { type: "submit", class: "primary", text: "Feed" });
  const length = () => new TextEncoder().encode(text.value).length;
  text.addEventListener("input", () => setText(size, text.value ? `${bytes(length())} of 1 MiB` : ""));
  form.append(text, element("div", { class: "row" }, labelled, size, button), status);
  submitOnKey(form, text);
  form.addEventListener("submit", (submission) => {
    submission.preventDefault();
    let body;
    try {
      body = experienceOf(text.value, label.value, abilitiesOf(page.shown()));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      setStatus(status, error.message, "bad");
      return;
    }
    perform(button, status, "Saving it …", async () => {
      const path = `/runs/${encodeURIComponent(page.shown().id)}/experience`;
      const done = await page.api.settle(await page.api.post(path, body));
      text.value = "";
      setText(size, "");
      const step = done.result?.effective_step ?? done.result?.step;
      return step === undefined ? "Saved." : `Saved; it is read from step ${count(step)} on.`;
    });
  });
  return { button, fit: (abilities) => (labelled.hidden = !abilities.learns_labels) };
}

/** Ctrl+Enter (or Cmd+Enter) in a text box sends its form. */
export function submitOnKey(form, box) {
  box.addEventListener("keydown", (key) => {
    if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) {
      key.preventDefault();
      form.requestSubmit();
    }
  });
}

