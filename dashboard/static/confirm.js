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
