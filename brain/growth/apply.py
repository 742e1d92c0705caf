"""The only place where a brain is changed by growth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.capabilities import Columnar
from brain.errors import SettingsError
from brain.growth.site import no_site

if TYPE_CHECKING:
    from brain.capabilities import Growable
    from brain.growth.operators import Growth
    from brain.growth.plan import GrowthPlan


def apply_growth(brain: Growable, plan: GrowthPlan, *, max_neurons: int) -> Growth:
    """Grow the brain as planned, without a change of its output.

    Args:
        brain: what grows.
        plan: how.
        max_neurons: the hard limit; checked here again, whoever made the plan.

    Raises:
        SettingsError: the plan does not fit the brain or the limit; nothing was changed.
    """
    sites = brain.sites()
    if plan.operator == "column":
        if not isinstance(brain, Columnar):
            raise SettingsError("this brain grows no columns")
    elif plan.site not in sites:
        raise no_site(plan.site, sites)
    elif sites[plan.site].frozen:
        raise SettingsError(f"{plan.site} cannot grow: {sites[plan.site].why_frozen}")
    elif plan.operator == "deepen" and not sites[plan.site].deeper_units:
        raise SettingsError(f"nothing can be added after {plan.site}: {sites[plan.site].not_deeper}")
    elif plan.operator == "expert" and sites[plan.site].expert is None:
        raise SettingsError(f"no expert can be added beside {plan.site}")
    added = 0 if plan.operator == "recycle" else plan.units
    total = sum(site.units for site in sites.values()) + added
    if total > max_neurons:
        raise SettingsError(f"{total} neurons would be more than growth.max_neurons = {max_neurons}")
    return brain.grow(plan)
