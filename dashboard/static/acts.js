// What happens when a button is pressed: pending state on it, the outcome in words beside it.

import { ApiError } from "./api.js";
import { setAttribute } from "./dom.js";

/** Put one line into a status element; tone is good, bad or null. */
export function say(node, text, tone = null) {
  node.textContent = text;
  setAttribute(node, "data-tone", tone);
}

/** A refused act in one line. Anything but a refusal is a fault of the page and goes on. */
export function refusal(error) {
  if (!(error instanceof ApiError)) throw error;
  const said = ({ path, message }) => error.message.includes(message) && error.message.includes(path);
  const fields = error.fields.filter((field) => !said(field)).map((field) => `${field.path}: ${field.message}`);
  return fields.length ? `${error.message} (${fields.join("; ")})` : error.message;
}

/** Allow or forbid a button. It stays reachable by keyboard, so that its reason can be read. */
export function allow(button, reason) {
  setAttribute(button, "aria-disabled", reason ? "true" : null);
  setAttribute(button, "title", reason);
}

/**
 * Run `task` behind a button: a second press while it is pending does nothing; a forbidden button says why.
 * `task` resolves to the line to show. Resolves to true when it succeeded.
 */
export async function perform(button, status, pending, task) {
  if (button.getAttribute("aria-busy") === "true") return false;
  if (button.getAttribute("aria-disabled") === "true") {
    say(status, `Not now: ${button.title}.`);
    return false;
  }
  button.setAttribute("aria-busy", "true");
  say(status, pending);
  try {
    say(status, await task(), "good");
    return true;
  } catch (error) {
    say(status, refusal(error), "bad");
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
