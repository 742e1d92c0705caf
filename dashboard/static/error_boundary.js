// An error boundary: a panel that throws shows its error in its own element, and the others keep working.

import { element } from "./dom.js";

/** Mount a panel inside `place`; returns its render function. Neither that nor the listeners it adds ever throw. */
export function withErrorBoundary(page, mount, place) {
  const note = element("p", { class: "panel-error", role: "alert" });
  const failing = new Set();
  const known = { onFrame: page.onFrame.length, onRun: page.onRun.length };

  function fail(what, error) {
    if (!failing.has(what)) console.error(error);
    failing.add(what);
    note.textContent = `This part of the page failed (${error.message}). The rest keeps working; reload the page to try again.`;
    place.hidden = false;
    if (!note.isConnected) place.prepend(note);
  }

  function attempt(what, work) {
    try {
      const done = work();
      if (done instanceof Promise) done.catch((error) => fail(what, error));
      if (failing.delete(what) && failing.size === 0) note.remove();
      return done;
    } catch (error) {
      fail(what, error);
      return null;
    }
  }

  const render = attempt("mount", () => mount(page));
  for (const [list, from] of Object.entries(known)) {
    page[list].slice(from).forEach((listener, index) => {
      page[list][from + index] = (news) => attempt(listener, () => listener(news));
    });
  }
  return render === null ? () => {} : (state, run) => void attempt("render", () => render(state, run));
}
