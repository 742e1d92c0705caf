// The dialog that starts a run: preset, data, name, limits, settings.

import { refusal, setStatus } from "./actions.js";
import { ApiError } from "./api.js";
import { byId, element } from "./dom.js";

/** Open it; on success the new run is shown and `status` shows that. */
export async function openStartDialog(page, status) {
  const dialog = byId("start-dialog");
  const form = build(page, dialog, status);
  dialog.replaceChildren(form.node);
  dialog.showModal();
  try {
    const { items } = await page.api.get("/presets", { limit: 500 });
    form.offer(items);
  } catch (error) {
    setStatus(form.status, refusal(error), "bad");
  }
}

function field(label, control, hint = null) {
  const note = element("p", { class: "field-error", hidden: true });
  const id = `start-${control.name}`;
  control.id = id;
  const node = element("div", {}, element("label", { for: id, text: label }), control, hint && element("p", { class: "hint", text: hint }), note);
  return { node, control, note };
}

function build(page, dialog, status) {
  const fields = {
    preset: field("Preset", element("select", { name: "preset" }, element("option", { value: "", text: "loading …" }))),
    name: field("Name", element("input", { name: "name", maxlength: 80, autocomplete: "off", placeholder: "chosen by the daemon" })),
    data: field(
      "Files and folders to read, one per line",
      element("textarea", { name: "data", rows: 3, spellcheck: "false", placeholder: "/home/me/notes" }),
      "Paths on the daemon's machine. Empty: the standard library of the running Python.",
    ),
    hours: field("Stop after hours", element("input", { name: "hours", type: "number", min: 0, step: "any", placeholder: "never" })),
    steps: field("Stop after steps", element("input", { name: "steps", type: "number", min: 1, step: 1, placeholder: "never" })),
    settings: field(
      "Settings, one key=value per line",
      element("textarea", { name: "settings", rows: 2, spellcheck: "false", placeholder: "replay.fraction=0.25" }),
    ),
  };
  const summary = element("p", { class: "hint" });
  fields.preset.node.append(summary);
  const line = element("p", { class: "status", role: "status" });
  const submit = element("button", { type: "submit", class: "primary", text: "Start learning" });
  const cancel = element("button", { type: "button", text: "Cancel", on: { click: () => dialog.close() } });
  const node = element(
    "form",
    { class: "stack", novalidate: true },
    element("h2", { id: "start-title", text: "Start a run" }),
    fields.preset.node,
    fields.data.node,
    element("div", { class: "row" }, fields.hours.node, fields.steps.node),
    fields.name.node,
    element("details", {}, element("summary", { text: "Settings" }), fields.settings.node),
    line,
    element("div", { class: "buttons" }, cancel, submit),
  );
  const summaries = {};
  const describe = () => (summary.textContent = summaries[fields.preset.control.value] ?? "");
  fields.preset.control.addEventListener("change", describe);
  node.addEventListener("submit", (submission) => {
    submission.preventDefault();
    send(page, dialog, { fields, line, submit, status });
  });
  const offer = (presets) => {
    for (const preset of presets) summaries[preset.name] = preset.summary;
    const names = presets.map((preset) => preset.name);
    fields.preset.control.replaceChildren(...names.map((name) => element("option", { value: name, text: name })));
    if (names.includes("default")) fields.preset.control.value = "default";
    describe();
  };
  return { node, status: line, offer };
}

async function send(page, dialog, { fields, line, submit, status }) {
  if (submit.getAttribute("aria-busy") === "true") return;
  for (const { note } of Object.values(fields)) note.hidden = true;
  setStatus(line, "");
  const body = request(fields, (name, message) => mark(fields[name], message));
  if (!body) return;
  submit.setAttribute("aria-busy", "true");
  setStatus(line, "Starting …");
  try {
    const run = await page.api.post("/runs", body);
    page.dispatch({ type: "runs", items: [run] });
    page.choose(run.id);
    dialog.close();
    setStatus(status, `Started ${run.name || run.id}.`, "good");
  } catch (error) {
    setStatus(line, error instanceof ApiError ? error.message : refusal(error), "bad");
    const errors = error.fields?.length ? error.fields : [{ path: "", message: error.message }];
    for (const problem of errors) {
      const target = fieldOf(fields, problem);
      const named = !problem.path || problem.message.includes(problem.path);
      if (target) mark(target, named ? problem.message : `${problem.path}: ${problem.message}`);
    }
  } finally {
    submit.removeAttribute("aria-busy");
  }
}

/** The body of POST /runs, or null when a field cannot be read (reported to `complain`). */
function request(fields, complain) {
  const value = (name) => fields[name].control.value.trim();
  const lines = (name) => value(name).split("\n").map((text) => text.trim()).filter(Boolean);
  const body = { config: {} };
  if (value("preset")) body.preset = value("preset");
  if (value("name")) body.name = value("name");
  if (lines("data").length) body.config["stream.data"] = lines("data");
  for (const name of ["hours", "steps"]) {
    const { control } = fields[name];
    if (control.validity.badInput || (value(name) && !(Number(value(name)) > 0))) {
      complain(name, "enter a number above zero, or leave it empty");
      return null;
    }
    if (value(name)) body[name] = Number(value(name));
  }
  for (const text of lines("settings")) {
    const split = text.indexOf("=");
    if (split < 1) {
      complain("settings", `“${text}” is not key=value`);
      return null;
    }
    body.config[text.slice(0, split).trim()] = parsed(text.slice(split + 1).trim());
  }
  return body;
}

/** A setting's value: parsed as JSON where possible, else text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The field an error is about: by its path, else by a word of the message that the field contains. */
function fieldOf(fields, { path, message }) {
  if (path) {
    const leaf = path.split(".").at(-1);
    return fields[leaf] ?? (path.includes("data") ? fields.data : fields.settings);
  }
  const words = (name) => fields[name].control.value.split(/[\n=]/).map((text) => text.trim());
  return [fields.data, fields.settings, fields.name].find(({ control }) => words(control.name).some((text) => text && message.includes(text)));
}

function mark(target, message) {
  target.note.textContent = message;
  target.note.hidden = false;
  target.node.closest("details")?.setAttribute("open", "");
  target.control.focus();
}
