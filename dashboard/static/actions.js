// What happens when a button is pressed: it is marked as pending, and the outcome is shown beside it.

import { ApiError } from "./api.js";
import { setAttribute } from "./dom.js";

/** Put one line into a status element; tone is good, bad or null. */
export function setStatus(node, text, tone = null) {
  node.textContent = text;
  setAttribute(node, "data-tone", tone);
}

/** A refusal in one line. Any other error is a bug of the page and is thrown on. */
export function refusal(error) {
  if (!(error instanceof ApiError)) throw error;
  const mentioned = ({ path, message }) => error.message.includes(message) && error.message.includes(path);
  const fields = error.fields.filter((field) => !mentioned(field)).map((field) => `${field.path}: ${field.message}`);
  return fields.length ? `${error.message} (${fields.join("; ")})` : error.message;
}

/** Enable or disable a button. It stays focusable, so that its reason can be read. */
export function allow(button, reason) {
  setAttribute(button, "aria-disabled", reason ? "true" : null);
  setAttribute(button, "title", reason);
}

/**
 * Run `task` behind a button: a second press while it is pending does nothing; a disabled button shows why.
 * `task` resolves to the line to show. Resolves to true when it succeeded.
 */
export async function perform(button, status, pending, task) {
  if (button.getAttribute("aria-busy") === "true") return false;
  if (button.getAttribute("aria-disabled") === "true") {
    setStatus(status, `Not now: ${button.title}.`);
    return false;
  }
  button.setAttribute("aria-busy", "true");
  setStatus(status, pending);
  try {
    setStatus(status, await task(), "good");
    return true;
  } catch (error) {
    setStatus(status, refusal(error), "bad");
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
