"""The error for a run that does not exist, alike in terminal, API and supervisor: with the nearest that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.nearest_name import nearest_name
from daemon.errors import NotFoundError
from daemon.system.escaping import one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIST_RUNS = "list them: synapsed runs"
LOOKED_THROUGH = 500  # runs, newest first, among which the nearest is looked for


def no_run(wanted: str, runs: Iterable[Mapping[str, Any]]) -> NotFoundError:
    """Names the run whose id or name is like what was asked for, else how to list them.

    Args:
        wanted: what stood in the place of a run's id.
        runs: rows with `id` and `name`.

    >>> print(no_run("boks", [{"id": "r-1", "name": "books"}]))
    there is no run boks; did you mean r-1 (books)? List them: synapsed runs
    >>> print(no_run("x", []))
    there is no run x; list them: synapsed runs
    """
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    for run in runs:
        name = str(run.get("name") or "")
        ids[str(run["id"])] = name
        for part in (name, *name.split()[:1]):  # a name that was made up begins with the preset's
            names.setdefault(part, str(run["id"]))
    near = nearest_name(wanted, [*ids, *(name for name in names if name)])
    missing = f"there is no run {quoted(one_line(wanted))}"
    if near is None:
        return NotFoundError(f"{missing}; {LIST_RUNS}")
    found = near if near in ids else names[near]
    called = f" ({one_line(ids[found])})" if ids[found] not in {"", found} else ""
    return NotFoundError(f"{missing}; did you mean {found}{called}? {LIST_RUNS.capitalize()}")
