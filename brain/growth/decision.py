"""From a history to a plan, without touching anything."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from brain.errors import SettingsError
from brain.growth.plan import BY_HAND, GrowthPlan, Proposal, smallest_birth
from brain.growth.site import no_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.config import GrowthConfig
    from brain.growth.history import GrowthHistory
    from brain.growth.plan import Birth
    from brain.growth.site import Site


class GrowthRule(Protocol):
    """A trigger: its settings, and what it proposes."""

    def propose(self, history: GrowthHistory) -> Proposal | None:
        """What should grow and why; None when nothing should."""


def decide_growth(history: GrowthHistory, rule: GrowthRule, *, trigger: str = "") -> GrowthPlan | None:
    """The growth that `rule` asks for and the limits allow; None without one. Pure.

    Dormant units are renewed first, where they can be. Nothing grows within the cool-down or beyond
    `max_neurons`.
    """
    limits, last = history.limits, history.last_growth_step
    if last is not None and history.step - last < history.cooldowns.of_brain():
        return None
    proposal = rule.propose(history)
    if proposal is None:
        return None
    site = history.sites[proposal.site]
    if site.frozen:
        return None
    dormant = history.signals[proposal.site].dormant_share
    if history.recyclable and dormant > limits.recycle_above:
        reason = f"{proposal.reason}; {dormant:.0%} of its units are dormant and come first"
        proposal = Proposal(
            operator="recycle",
            site=proposal.site,
            reason=reason,
            evidence={**proposal.evidence, "dormant_share": dormant},
        )
        units = round(dormant * site.units)
    elif proposal.operator == "deepen":
        units = site.deeper_units
    else:
        room = min(history.cap(proposal.site) - site.units, limits.max_neurons - history.num_neurons)
        units = newborn_units(site.units, limits.fraction, room=room, newborns=limits.newborns)
    added = 0 if proposal.operator == "recycle" else units
    if units <= 0 or history.num_neurons + added > limits.max_neurons:
        return None
    seed = birth_seed(history.step, history.num_growths)
    return _plan(proposal, units, limits, trigger=trigger or type(rule).__name__, seed=seed)


def birth_seed(step: int, num_growths: int) -> int:
    """Seed of a growth's newborns: the next growth of the very same step draws other ones.

    >>> birth_seed(30, 0), birth_seed(30, 1)
    (30, 1000033)
    """
    return step + 1_000_003 * num_growths


def plan_by_hand(
    sites: Mapping[str, Site], limits: GrowthConfig, site: str, fraction: float, *, seed: int
) -> GrowthPlan:
    """The growth a person asks for: no cool-down, no maturity, but never beyond a limit.

    Raises:
        SettingsError: there is no such site, or no room; says what there is.
    """
    _known(sites, site)
    if not 0.0 < fraction <= 1.0:
        raise SettingsError(
            f"fraction = {fraction:g}: a share above 0 and at most 1 of the site's units is expected"
        )
    room, why = room_for(sites, limits, site)
    units = newborn_units(sites[site].units, fraction, room=room, newborns=limits.newborns)
    if units <= 0:
        raise SettingsError(f"{site} cannot grow: {why}")
    reason = f"By hand ({fraction:.0%} of {sites[site].units} units)"
    proposal = Proposal(operator="widen", site=site, reason=reason, evidence={"fraction": fraction})
    return _plan(proposal, units, limits, trigger=BY_HAND, seed=seed)


def deepen_by_hand(sites: Mapping[str, Site], limits: GrowthConfig, site: str, *, seed: int) -> GrowthPlan:
    """The block a person asks for behind that of a site.

    Raises:
        SettingsError: there is no such site, nothing can be added after it, or there is no room.
    """
    _known(sites, site)
    why = why_not_deeper(sites, limits, site)
    if why is not None:
        raise SettingsError(f"nothing can be added after {site}: {why}")
    units = sites[site].deeper_units
    proposal = Proposal(operator="deepen", site=site, reason=f"By hand ({units} units)", evidence={})
    return _plan(proposal, units, limits, trigger=BY_HAND, seed=seed)


def expert_by_hand(sites: Mapping[str, Site], limits: GrowthConfig, site: str, *, seed: int) -> GrowthPlan:
    """The expert a person asks for beside the MLP of a site.

    Raises:
        SettingsError: there is no such site, no expert can be born beside it, or there is no room.
    """
    _known(sites, site)
    why = why_no_expert(sites, limits, site)
    born = sites[site].expert
    if why is not None or born is None:
        raise SettingsError(f"no expert can be added beside {site}: {why}")
    proposal = Proposal(operator="expert", site=site, reason=f"By hand ({born.units} units)", evidence={})
    return _plan(proposal, born.units, limits, trigger=BY_HAND, seed=seed)


def column_by_hand(
    sites: Mapping[str, Site], limits: GrowthConfig, born: Birth | None, *, seed: int
) -> GrowthPlan:
    """The column a person asks for beside all that is there; `born` is None for a brain that grows none.

    Raises:
        SettingsError: this brain grows no columns, or there is no room.
    """
    why = why_no_column(sites, limits, born)
    if why is not None or born is None:
        raise SettingsError(f"no column can be added: {why}")
    reason = f"By hand ({born.units} units in a stream of {born.width})"
    proposal = Proposal(operator="column", site=born.name, reason=reason, evidence={})
    plan = _plan(proposal, born.units, limits, trigger=BY_HAND, seed=seed)
    return replace(plan, width=born.width)


def why_not_deeper(sites: Mapping[str, Site], limits: GrowthConfig, site: str) -> str | None:
    """What keeps a block from being born behind a site; None when nothing does."""
    own = sites[site]
    if own.frozen or not own.deeper_units:
        return own.why_frozen if own.frozen else own.not_deeper
    return _no_room(sites, limits, "a block", own.deeper_units)


def why_no_expert(sites: Mapping[str, Site], limits: GrowthConfig, site: str) -> str | None:
    """What keeps an expert from being born beside a site; None when nothing does."""
    own = sites[site]
    if own.frozen or own.expert is None:
        return own.why_frozen if own.frozen else "experts stand beside the MLP of a block"
    return _no_room(sites, limits, "an expert", own.expert.units)


def why_no_column(sites: Mapping[str, Site], limits: GrowthConfig, born: Birth | None) -> str | None:
    """What keeps a column from being born; None when nothing does."""
    if born is None:
        return "this brain grows no columns"
    return _no_room(sites, limits, "a column", born.units)


def _no_room(sites: Mapping[str, Site], limits: GrowthConfig, part: str, units: int) -> str | None:
    total = sum(other.units for other in sites.values())
    if total + units <= limits.max_neurons:
        return None
    room = max(limits.max_neurons - total, 0)
    return f"{part} has {units} units, growth.max_neurons = {limits.max_neurons} leaves room for {room}"


def room_for(sites: Mapping[str, Site], limits: GrowthConfig, site: str) -> tuple[int, str]:
    """How many units fit into a site, and what keeps more out."""
    if sites[site].frozen:
        return 0, sites[site].why_frozen
    at_site = int(sites[site].born_units * limits.site_ratio) - sites[site].units
    in_all = limits.max_neurons - sum(other.units for other in sites.values())
    room = max(min(in_all, at_site), 0)
    if in_all <= at_site:
        why = f"growth.max_neurons = {limits.max_neurons} leaves room for {room} more"
    else:
        why = f"growth.site_ratio = {limits.site_ratio:g} lets it have {at_site + sites[site].units} units"
    return room, f"{why}, and newborns come in pairs" if 0 < room < smallest_birth(limits.newborns) else why


def newborn_units(units: int, fraction: float, *, room: int, newborns: str) -> int:
    """How many are born: `fraction` of `units` rounded up, within `room`; pairs come in twos.

    >>> [newborn_units(256, 0.1, room=room, newborns="pairs") for room in (1000, 7)]
    [26, 6]
    """
    wanted = math.ceil(units * fraction - 1e-9)
    if newborns == "pairs":
        return min(wanted + wanted % 2, max(room, 0) // 2 * 2)
    return min(wanted, max(room, 0))


def _known(sites: Mapping[str, Site], site: str) -> None:
    if site not in sites:
        raise no_site(site, sites)


def _plan(proposal: Proposal, units: int, limits: GrowthConfig, *, trigger: str, seed: int) -> GrowthPlan:
    return GrowthPlan(
        operator=proposal.operator,
        site=proposal.site,
        units=units,
        trigger=trigger,
        reason=proposal.reason,
        evidence=proposal.evidence,
        newborns=limits.newborns,
        seed=seed,
    )
