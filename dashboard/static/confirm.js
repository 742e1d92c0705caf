// A question before something is lost.

import { byId, element } from "./dom.js";

/** Ask; resolves to true when the person agrees. Escape and Cancel say no. */
export function confirm(title, text, agree) {
  const dialog = byId("confirm-dialog");
  return new Promise((resolve) => {
    const close = (answer) => () => dialog.close(answer);
    dialog.returnValue = "";
    dialog.replaceChildren(
      element("h2", { id: "confirm-title", text: title }),
      element(
        "div",
        { class: "stack" },
        element("p", { text }),
        element(
          "div",
          { class: "buttons" },
          element("button", { type: "button", text: "Cancel", autofocus: true, on: { click: close("") } }),
          element("button", { type: "button", class: "danger", text: agree, on: { click: close("yes") } }),
        ),
      ),
    );
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}

/** Ask, and have a word typed; resolves to what was typed, or null. The button waits for one of `words`. */
export function confirmTyped(title, text, words, agree) {
  const dialog = byId("confirm-dialog");
  return new Promise((resolve) => {
    const button = element("button", { type: "submit", class: "danger", text: agree, disabled: true });
    const input = element("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      autofocus: true,
      "aria-label": `Type ${words[0]} to confirm`,
      on: {
        input: () => {
          button.disabled = !words.includes(input.value.trim());
        },
      },
    });
    const form = element(
      "form",
      { class: "stack" },
      element("p", { text }),
      element("label", { class: "stack" }, element("span", {}, "Type ", element("strong", { text: words[0] }), " to confirm:"), input),
      element(
        "div",
        { class: "buttons" },
        element("button", { type: "button", text: "Cancel", on: { click: () => dialog.close("") } }),
        button,
      ),
    );
    form.addEventListener("submit", (submit) => {
      submit.preventDefault();
      if (!button.disabled) dialog.close("yes");
    });
    dialog.returnValue = "";
    dialog.replaceChildren(element("h2", { id: "confirm-title", text: title }), form);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value.trim() : null), { once: true });
    dialog.showModal();
  });
}
