// Confirmation before something is lost.

import { byId, element } from "./dom.js";

/** Ask; resolves to true when the person agrees, to false on Escape and Cancel. */
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

/** A name as a person sees and types it: without control characters and surrounding blanks. */
function typeable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
}

/** Ask, and enable the button once one of `words` is typed; resolves to that word, or null. */
export function confirmTyped(title, text, words, agree) {
  const dialog = byId("confirm-dialog");
  const typed = (text) => words.find((word) => word === text || (typeable(word) !== "" && typeable(word) === typeable(text))) ?? null;
  const offered = [...new Set(words.map(typeable))].filter(Boolean);
  return new Promise((resolve) => {
    const button = element("button", { type: "submit", class: "danger", text: agree, disabled: true });
    const input = element("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      autofocus: true,
      "aria-label": `Type ${offered.join(" or ")} to confirm`,
      on: {
        input: () => {
          button.disabled = typed(input.value) === null;
        },
      },
    });
    const form = element(
      "form",
      { class: "stack" },
      element("p", { text }),
      element("label", { class: "stack" }, element("span", {}, "Type ", ...offered.flatMap((word, place) => [place ? " or " : "", element("strong", { text: word })]), " to confirm:"), input),
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
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? typed(input.value) : null), { once: true });
    dialog.showModal();
  });
}
