"""What comes of each order, by its kind: questions are answered, the rest is carried out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError
from daemon.errors import ConflictError
from daemon.orders import (
    Continue,
    Evaluate,
    Feed,
    Forget,
    Generate,
    Grow,
    Pause,
    Recall,
    SaveCheckpoint,
    Sleep,
    ViewGrowth,
)
from daemon.streams.encodings import last_bytes
from daemon.trainer.errors import RefusalError
from daemon.trainer.orders.recalling import MAX_CONTEXT_BYTES, what_it_remembers
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.ports import Brain
    from daemon.trainer.effects.effects import Effects
    from daemon.trainer.erasing.from_run import Erasing
    from daemon.trainer.growth.growth_by_hand import GrowthByHand
    from daemon.trainer.life.pausing import Pauses
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.measures.measuring import Measuring
    from daemon.trainer.measures.sampling import Sampler
    from daemon.trainer.measures.slow_weights import BetterWeights
    from daemon.trainer.orders.recalling import NameOf
    from daemon.trainer.ports import Life, Save
    from daemon.trainer.sleep.sleeping import Sleeping

    Handlers = Mapping[type, Callable[[Any], dict[str, Any]]]

MAX_PROMPT_BYTES = 64 * 1024
# Learning stands still while the brain answers, so an answer that takes longer ends where it is.
ANSWER_SECONDS = 30.0


class StandingOrders:
    """Orders about the run as a whole."""

    def __init__(self, pauses: Pauses, save: Save, life: Life) -> None:
        self._pauses = pauses
        self._save = save
        self._life = life

    def handlers(self) -> Handlers:
        """What comes of each."""
        return {Pause: self._pause, Continue: self._continue, SaveCheckpoint: self._checkpoint}

    def _pause(self, order: Pause) -> dict[str, Any]:
        if not self._pauses.pause(order.reason):
            raise RefusalError("the run is paused already")
        return {"checkpoint": self._save.newest()}

    def _continue(self, order: Continue) -> dict[str, Any]:
        if self._life.state is not RunState.PAUSED:
            raise RefusalError(f"the run is {self._life.state.value}, not paused")
        self._pauses.go_on(order.reason)
        return {}

    def _checkpoint(self, order: SaveCheckpoint) -> dict[str, Any]:
        return {"checkpoint": self._save.save(order.reason)}


class Questions:
    """Orders that change nothing of what is learned."""

    def __init__(
        self,
        brain: Brain,
        better_weights: BetterWeights,
        *,
        sampler: Sampler,
        measuring: Measuring,
        probes: Probes,
        growth: GrowthByHand,
        name_of: NameOf,
        progressed: Callable[[], None],
    ) -> None:
        self._brain = brain
        self._better_weights = better_weights
        self._sampler = sampler
        self._measuring = measuring
        self._probes = probes
        self._growth = growth
        self._name_of = name_of
        self._progressed = progressed

    def handlers(self) -> Handlers:
        """What comes of each."""
        return {
            Generate: self._generate,
            Recall: self._recall,
            Evaluate: self._evaluate,
            ViewGrowth: self._view_growth,
        }

    def _generate(self, order: Generate) -> dict[str, Any]:
        prompt = last_bytes(order.prompt, MAX_PROMPT_BYTES)
        deadline = time.monotonic() + ANSWER_SECONDS

        def go_on() -> bool:
            self._progressed()
            return time.monotonic() < deadline

        with self._better_weights():
            answer = self._sampler.answer(
                self._brain,
                prompt,
                max_bytes=order.max_bytes,
                temperature=order.temperature,
                top_p=order.top_p,
                go_on=go_on,
            )
        return answer.as_dict()

    def _recall(self, order: Recall) -> dict[str, Any]:
        context = last_bytes(order.context, MAX_CONTEXT_BYTES)
        with self._better_weights():
            try:
                return what_it_remembers(
                    self._brain, context, max_bytes=order.max_bytes, name_of=self._name_of
                )
            except ConflictError as error:
                raise RefusalError(str(error)) from error

    def _evaluate(self, _order: Evaluate) -> dict[str, Any]:
        found = self._measuring.evaluate()
        if not found:
            raise RefusalError(
                "there is no held-out text to score: the sources are too small or the hold-out is off"
            )
        return {**found, "probe_bpc": self._probes.measured(self._brain, self._progressed)}

    def _view_growth(self, order: ViewGrowth) -> dict[str, Any]:
        try:
            return self._growth.overview(order.fraction)
        except SettingsError as error:
            raise RefusalError(str(error)) from error


class Interventions:
    """Orders that touch learning: journaled before they take effect."""

    def __init__(self, effects: Effects, growth: GrowthByHand, sleeping: Sleeping, erasing: Erasing) -> None:
        self._effects = effects
        self._erasing = erasing
        self._growth = growth
        self._sleeping = sleeping

    def handlers(self) -> Handlers:
        """What comes of each."""
        return {Feed: self._feed, Forget: self._erase, Grow: self._grow, Sleep: self._sleep}

    def _erase(self, order: Forget) -> dict[str, Any]:
        receipt = self._erasing.wanted(order)
        if not order.dry_run:
            try:
                self._erasing.require_alone()
            except ConflictError as error:
                raise RefusalError(str(error)) from error
            self._effects.erase(receipt)
        return self._erasing.answer(receipt, dry_run=order.dry_run)

    def _feed(self, order: Feed) -> dict[str, Any]:
        entry = self._effects.feed(order.text, order.origin)
        return {"sequence": entry.sequence, "effective_step": entry.step}

    def _grow(self, order: Grow) -> dict[str, Any]:
        try:
            plan = self._growth.plan(order.site, order.fraction, order.operator)
        except SettingsError as error:
            raise RefusalError(str(error)) from error
        return self._effects.grow(plan)

    def _sleep(self, order: Sleep) -> dict[str, Any]:
        if (why := self._sleeping.refusal()) is not None:
            raise RefusalError(why)
        steps = self._sleeping.config.steps if order.steps is None else order.steps
        entry = self._effects.order("sleep", {"steps": steps})
        return {"effective_step": entry.step, "steps": steps}
