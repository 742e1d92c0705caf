"""What a person sees of growth: the sites, what each growth would add and what prevents it, and the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.capabilities import Columnar, Observable
from brain.growth.cooldowns import Cooldowns
from brain.growth.decision import newborn_units, room_for, why_no_column, why_no_expert, why_not_deeper
from brain.growth.plan import Birth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.capabilities import Growable
    from brain.growth.config import GrowthConfig
    from brain.growth.site import Site
    from daemon.trainer.growth.growth_state import GrowthState

NOTHING = Birth(name="", units=0, parameters=0)


def growth_view(
    brain: Growable,
    state: GrowthState,
    limits: GrowthConfig,
    *,
    fraction: float | None,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Modules and sites from input to output, a column, and what grew so far; JSON-able.

    Args:
        brain: what can grow.
        state: what has grown.
        limits: the settings of growth.
        fraction: share of a site's units that would be born; None for that of the settings.
        counts: `num_neurons` and `num_parameters` of the brain now.
    """
    sites, share = brain.sites(), limits.fraction if fraction is None else fraction
    cooldowns = Cooldowns.of(limits, state.history)
    return {
        "enabled": limits.enabled,
        "fraction": share,
        "max_neurons": limits.max_neurons,
        **counts,
        "modules": list(brain.module_names) if isinstance(brain, Observable) else [],
        "cooldown_steps": cooldowns.of_brain(),
        "last_growth_step": state.last_growth_step,
        "trial": None if state.trial is None else state.trial.view(),
        "sites": [
            _site(name, sites, state, limits, share=share, counts=counts)
            | {"cooldown_steps": cooldowns.of_site(name)}
            for name in sites
        ],
        "column": _column(brain, sites, limits, counts),
        "history": list(state.history),
    }


def next_column(brain: Growable) -> Birth | None:
    """The next column; None for a brain that grows none."""
    return brain.next_column() if isinstance(brain, Columnar) else None


def _site(
    name: str,
    sites: Mapping[str, Site],
    state: GrowthState,
    limits: GrowthConfig,
    *,
    share: float,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    site = sites[name]
    room, why = room_for(sites, limits, name)
    units = newborn_units(site.units, share, room=room, newborns=limits.newborns)
    expert = site.expert or NOTHING
    return {
        "site": name,
        "units": site.units,
        "born_units": site.born_units,
        "max_units": site.units if site.frozen else int(site.born_units * limits.site_ratio),
        "eligible": units > 0,
        "reason": None if units > 0 else why,
        "last_growth_step": state.born.get(name),
        "signals": state.signals.get(name),
        "deeper": {"newborns": site.deeper_units, "reason": why_not_deeper(sites, limits, name)},
        "expert": {
            "newborns": expert.units,
            "parameters": expert.parameters,
            "reason": why_no_expert(sites, limits, name),
        },
        "preview": {
            "newborns": units,
            "units": site.units + units,
            "num_neurons": counts["num_neurons"] + units,
            "num_parameters": counts["num_parameters"] + units * site.parameters_per_unit,
        },
    }


def _column(
    brain: Growable, sites: Mapping[str, Site], limits: GrowthConfig, counts: Mapping[str, int]
) -> dict[str, Any]:
    born = next_column(brain)
    brings = born or NOTHING
    return {
        "newborns": brings.units,
        "parameters": brings.parameters,
        "width": brings.width,
        "freezes": brings.freezes,
        "reason": why_no_column(sites, limits, born),
        "num_neurons": counts["num_neurons"] + brings.units,
        "num_parameters": counts["num_parameters"] + brings.parameters - brings.freezes,
    }
