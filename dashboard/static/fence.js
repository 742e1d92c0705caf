// A panel that goes wrong says so in its own place, and takes nothing else with it.

import { element } from "./dom.js";

/** Mount a panel inside `place`; gives its render function, which throws nothing, as do the listeners it has set up. */
export function fenced(page, mount, place) {
  const note = element("p", { class: "panel-error", role: "alert" });
  const failing = new Set();
  const known = { onFrame: page.onFrame.length, onRun: page.onRun.length };

  function fail(what, error) {
    if (!failing.has(what)) console.error(error);
    failing.add(what);
    note.textContent = `This part of the page went wrong (${error.message}). The rest goes on; reload the page to try it again.`;
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
