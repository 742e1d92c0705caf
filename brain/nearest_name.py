"""From a name that nothing has to the one that was meant: the hint of every such error."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CUTOFF = 0.6  # of difflib's ratio; what is less alike is a guess


def nearest_name(wrong: str, known: Iterable[str], *, cutoff: float = CUTOFF) -> str | None:
    """The known name most like a wrong one, or the only one that begins with it; None where none is like it.

    >>> nearest_name("Synapse", ["synapse", "tars"]), nearest_name("ag", ["agiformer", "tars"])
    ('synapse', 'agiformer')
    >>> nearest_name("x", ["tars"])
    """
    names: dict[str, str] = {}
    for name in known:
        names.setdefault(name.casefold(), name)
    typed = wrong.strip().casefold()
    near = difflib.get_close_matches(typed, names, n=1, cutoff=cutoff)
    if near:
        return names[near[0]]
    begun = [name for folded, name in names.items() if typed and folded.startswith(typed)]
    return begun[0] if len(begun) == 1 else None


def did_you_mean(
    wrong: str,
    known: Iterable[str],
    *,
    otherwise: str = "",
    shown: Callable[[str], str] = str,
    cutoff: float = CUTOFF,
) -> str:
    """The end of a message about a name that nothing has.

    Args:
        wrong: the name.
        known: those there are.
        otherwise: what to add where none of them is like it: all of them, or how to list them.
        shown: a known name as it is to be typed.
        cutoff: least likeness.

    >>> did_you_mean("tras", ["tars"]), did_you_mean("x", ["tars"], otherwise="there are tars"), did_you_mean("x", [])
    ('; did you mean tars?', '; there are tars', '')
    """
    near = nearest_name(wrong, known, cutoff=cutoff)
    if near is not None:
        return f"; did you mean {shown(near)}?"
    return f"; {otherwise}" if otherwise else ""
