"""Growing by hand: the overview a person sees first, and the plan of what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from brain.capabilities import Growable
from brain.errors import SettingsError
from brain.growth.decision import (
    birth_seed,
    column_by_hand,
    deepen_by_hand,
    expert_by_hand,
    plan_by_hand,
    room_for,
    why_no_expert,
    why_not_deeper,
)
from brain.growth.plan import OperatorByHand, smallest_birth
from brain.growth.signals import read_signal
from brain.missing_capabilities import why_not_growable
from daemon.trainer.growth.growth_view import growth_view, next_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.growth.config import GrowthConfig
    from brain.growth.plan import GrowthPlan
    from brain.growth.signals import SiteProbe
    from brain.ports import Batch, Brain
    from daemon.trainer.growth.growth_state import GrowthState
    from daemon.trainer.growth.site_signals import SiteSignals
    from daemon.trainer.ports import Clock

_BORN_WHOLE = {"deepen": "a block", "expert": "an expert", "column": "a column"}


class GrowthByHand:
    """Makes the overview and the plan; nothing grows yet.

    Args:
        state: what has grown.
        config: the limits.
        brain: that may grow.
        signals: looks at the sites.
        newest_batch: to look on; None before anything was learned.
        asleep: whether the brain sleeps.
        clock: of the run.
    """

    def __init__(
        self,
        state: GrowthState,
        config: GrowthConfig,
        *,
        brain: Brain,
        signals: SiteSignals,
        newest_batch: Callable[[], Batch | None],
        asleep: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._state = state
        self._config = config
        self._brain = brain
        self._signals = signals
        self._newest_batch = newest_batch
        self._asleep = asleep
        self._clock = clock

    def plan(
        self, site: str | None, fraction: float | None, operator: OperatorByHand = "widen"
    ) -> GrowthPlan:
        """The growth a person asks for; without a site, where units are missed most.

        Raises:
            SettingsError: the brain cannot grow, there is no such site, or no room.
        """
        brain, config = self._growable(), self._config
        if self._asleep():
            # A sleep may be rolled back, to weights that would no longer fit.
            raise SettingsError("the brain is asleep; it can grow when it is awake again")
        if operator not in get_args(OperatorByHand):
            known = ", ".join(get_args(OperatorByHand))
            raise SettingsError(f"operator = {operator!r}: one of {known} is expected")
        if operator in _BORN_WHOLE and fraction is not None:
            raise SettingsError(f"{_BORN_WHOLE[operator]} is born whole: leave fraction out")
        seed = birth_seed(self._clock.step, len(self._state.history))
        if operator == "column":
            if site is not None:
                raise SettingsError("a column stands beside all that is there: leave site out")
            return column_by_hand(brain.sites(), config, next_column(brain), seed=seed)
        batch = self._newest_batch()
        probes = {} if batch is None else self._signals.probe(brain, batch)
        chosen = site if site is not None else self._neediest(brain, probes, operator)
        if operator == "deepen":
            return deepen_by_hand(brain.sites(), config, chosen, seed=seed)
        if operator == "expert":
            return expert_by_hand(brain.sites(), config, chosen, seed=seed)
        share = config.fraction if fraction is None else fraction
        plan = plan_by_hand(brain.sites(), config, chosen, share, seed=seed)
        return self._signals.fitted(plan, probes[plan.site]) if probes else plan

    def overview(self, fraction: float | None) -> dict[str, Any]:
        """Sites, what keeps each from growing, and what growing it would give; JSON-able.

        Raises:
            SettingsError: the brain cannot grow.
        """
        brain = self._growable()
        counts = {
            "num_neurons": self._brain.num_neurons(),
            "num_parameters": self._brain.num_parameters(),
        }
        return growth_view(brain, self._state, self._config, fraction=fraction, counts=counts)

    def _growable(self) -> Growable:
        if not isinstance(self._brain, Growable):
            raise SettingsError(why_not_growable(self._brain))
        return self._brain

    def _neediest(self, brain: Growable, probes: Mapping[str, SiteProbe], operator: OperatorByHand) -> str:
        """The site with room where units are missed most; before anything was seen, the first with room.

        Raises:
            SettingsError: no site takes such a part at all, and why.
        """
        sites = brain.sites()
        alive = [name for name, site in sites.items() if not site.frozen]
        match operator:
            case "deepen":
                able = [name for name in alive if sites[name].deeper_units]
                roomy = [name for name in able if why_not_deeper(sites, self._config, name) is None]
            case "expert":
                able = [name for name in alive if sites[name].expert is not None]
                roomy = [name for name in able if why_no_expert(sites, self._config, name) is None]
            case _:
                able, smallest = alive, smallest_birth(self._config.newborns)
                roomy = [name for name in able if room_for(sites, self._config, name)[0] >= smallest]
        if not able:
            why_not = why_not_deeper if operator == "deepen" else why_no_expert
            whys = dict.fromkeys(str(why_not(sites, self._config, name)) for name in alive)
            raise SettingsError(f"{_BORN_WHOLE[operator]} can be added at no site: {'; '.join(whys)}")
        # Where none has room, whoever makes the plan says what keeps this one from growing.
        chosen = roomy or able
        if not probes:
            return chosen[0]
        return max(chosen, key=lambda name: read_signal(probes[name]).unexpressed)
