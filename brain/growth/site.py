"""A place where hidden units lie and can be born: plain data, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brain.errors import SettingsError
from brain.growth.plan import FROZEN
from brain.nearest_name import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from brain.growth.plan import Birth


@dataclass(frozen=True, kw_only=True)
class Site:
    """Hidden units, the tensors in which they lie, and what may be born there.

    Attributes:
        units: hidden units now.
        born_units: those it was born with.
        place: its position on the way from input to output; neighbours differ by one.
        parameters_per_unit: trainable scalars of a unit, incoming and outgoing.
        incoming: parameters that feed the units, which lie along axis 0; the first is a matrix.
        outgoing: matrices that read them, along axis 1.
        carried: carried tensors of theirs (without `carried|`), along axis 1.
        next_bias: bias of the first outgoing matrix; it takes over the mean activation of a renewed unit.
        deeper_units: hidden units that a block born behind it would bring; 0 where none can be.
        not_deeper: why none can be, there.
        per_patch: whether its units are active once a patch of symbols, not once a symbol.
        expert: what can be born beside it as an expert; None where none can be.
        frozen: whether nothing happens to it any more.
        why_frozen: by default, that a younger column stands beside the one that it belongs to.
    """

    units: int
    born_units: int = 0
    place: int = 0
    parameters_per_unit: int = 0
    incoming: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    next_bias: str | None = None
    deeper_units: int = 0
    not_deeper: str = "it is not in a block"
    per_patch: bool = False
    expert: Birth | None = None
    frozen: bool = False
    why_frozen: str = FROZEN

    @property
    def axes(self) -> dict[str, int]:
        """Axis of units of every parameter."""
        return dict.fromkeys(self.incoming, 0) | dict.fromkeys(self.outgoing, 1)


def no_site(name: str, sites: Iterable[str]) -> SettingsError:
    """The error for a site that a brain does not have."""
    known = list(sites)
    hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}")
    return SettingsError(f"no growth site is called {name!r}{hint}")
