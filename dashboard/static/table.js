// A plain table; the caller fills its body.

import { element } from "./dom.js";

/** Columns are [label, class, spoken]; one without a label is only read out, as `spoken` or "actions". Returns {node, body, empty}. */
export function table(caption, columns, emptyText) {
  const head = columns.map(([label, kind, spoken = "actions"]) =>
    label ? element("th", { scope: "col", class: kind, text: label }) : element("td", { class: kind }, element("span", { class: "only-read", text: spoken })),
  );
  const body = element("tbody");
  const node = element("table", { "aria-label": caption }, element("thead", {}, element("tr", {}, ...head)), body);
  const empty = element("p", { class: "empty", text: emptyText });
  return { node, body, empty };
}

/** A small button for a row. */
export function rowButton(text, act, listener, label = null) {
  return element("button", { type: "button", class: "quiet", text, data: { act }, "aria-label": label, on: { click: listener } });
}
