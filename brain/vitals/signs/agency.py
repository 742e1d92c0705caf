"""Agency of a live brain: what it can tell of its own acts, beside the world's answer and its own words."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.capabilities import Observable, Steerable
from brain.vitals.act_recognition import MIN_BYTES, ActRecognition, activity_after
from brain.vitals.action_information import MIN_ACTION_ENTROPY, Agency
from brain.vitals.choices import ChoiceFollower
from brain.vitals.live_controls import LiveControls
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, UnsupportedError, WarmingUpError
from brain.vitals.live_text import live_pieces
from brain.vitals.own_words import OwnWords, clipped
from brain.vitals.twins import BROKEN, UNTRAINED, twin_of
from brain.vitals.world_response import WorldResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Moment, Reading
    from brain.vitals.choices import Outcome
    from brain.vitals.config import AgencyConfig
    from brain.vitals.module_watch import ModuleWatch


_TWIN_OUTCOMES = 128  # kept for the next turn of the untrained twin: enough for a value at once


class AgencySign(LiveSign):
    """η = I(A; O | C) / H(A | C) over the brain's randomised choices, recognised from its own module activity.

    Beside it in the detail stand `world`, how far the world answers its choices, whoever looks, and `self`, agency
    over its own next words. `acts` is 0 for a brain that chooses nothing: then the world's answer is 0 by
    construction, and the value shown is that over its own words. The controls are an untrained twin, which reads the
    same text, and shuffled choices; those of a companion `self` are `self.control.*`.
    """

    name = "agency"
    definition = 3

    def __init__(
        self,
        config: AgencyConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - the acts' own texts are read, not the watch's
        seed: int,
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config, self._seed = config, seed
        self.version = (
            f"{self.definition} bytes={config.bytes_after} k={config.next_bytes} actions={config.actions} "
            f"contexts={config.contexts}"
        )
        self._follower = ChoiceFollower(rows_after=config.rows_after)
        window, at_least = config.window_choices, config.warm_up_choices // 2
        self._world = WorldResponse(window=window, at_least=at_least, seed=seed)
        self._acts = ActRecognition(window=window, at_least=at_least, seed=seed)
        self._queue: list[Outcome] = []  # the newest randomised outcomes, to be read by the brain at a tick
        self._controls = LiveControls((UNTRAINED,), every_ticks=config.control_every_ticks)
        self._of_twin = ActRecognition(window=window, at_least=at_least, seed=seed)
        self._twin_queue: list[Outcome] = []
        self._shuffled = ActRecognition(window=window, at_least=at_least, seed=seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._words = OwnWords(config, seed=seed)

    def observe(self, moment: Moment) -> None:
        """Follow what came of the brain's choices."""
        outcomes = self._follower.observe(moment)
        self._world.follow(outcomes)
        self._queue += [
            one for one in outcomes if one.first and one.choice.randomised and len(one.text) >= MIN_BYTES
        ]
        del self._queue[: -self.config.choices_per_tick]

    def _estimate(self, moment: Moment) -> Reading:
        if not self._follower.acts:
            detail = {"acts": 0.0, "world": 0.0}
            found = self._own_words(moment, detail, num_contexts=self.config.contexts_per_tick)
            return self._agency(found, {**detail, "self": clipped(found), **self._words.controls()})
        detail = {"acts": 1.0, "choices": float(self._follower.num_randomised)} | self._beside(moment)
        return self._over_acts(moment, detail)

    def _beside(self, moment: Moment) -> dict[str, float]:
        """The world's answer and agency over own words, as far as they can be told."""
        beside = {}
        self._world.settle()
        if len(self._world.scored) >= self.config.warm_up_choices and (
            world := self._world.scored.estimate()
        ):
            beside["world"] = clipped(world)
        with suppress(NotMeasurableError):  # a companion that is not there yet is left out
            beside["self"] = clipped(self._own_words(moment, {}, num_contexts=1))
            beside |= {f"self.{name}": value for name, value in self._words.controls().items()}
        return beside

    def _over_acts(self, moment: Moment, detail: dict[str, float]) -> Reading:
        if not isinstance(moment.brain, Observable):
            raise UnsupportedError("this brain has no modules that can be watched", detail)
        if self._follower.num_too_many and not len(self._acts.scored) and not self._queue:
            raise NotMeasurableError("the brain chooses among too many candidates to tell them apart", detail)
        self._read_outcomes(moment, detail)
        if control := self._controls.due() or self._overdue():
            self._measure_control(control, moment)
        detail |= self._controls.detail()
        if (shuffled := self._estimated(self._shuffled)) is not None:
            detail["control.shuffled"] = shuffled.eta
        count, wanted = len(self._acts.scored), self.config.warm_up_choices
        detail["recognised"] = float(count)
        if count < wanted:
            raise WarmingUpError(f"warming up, {count} of {wanted} choices", detail)
        if self._acts.silent:
            raise NotMeasurableError("every unit is constant", detail)
        found = self._acts.scored.estimate()
        if found is None:
            raise NotMeasurableError("the choices carry less than 0.05 bit", detail)
        return self._agency(found, detail)

    def _overdue(self) -> str | None:
        """The control that a value would stand without; between its turns may lie an hour of a large brain's ticks."""
        enough = len(self._acts.scored) >= self.config.warm_up_choices
        wanted = self.config.control_every_ticks and self._estimated(self._of_twin) is None
        return UNTRAINED if enough and wanted and not self._acts.silent else None

    def _read_outcomes(self, moment: Moment, detail: Mapping[str, float]) -> None:
        """Let the brain read what followed its newest choices, and recognise them by what that did to it."""
        outcomes, self._queue = self._queue, []
        if not outcomes:
            return
        self._twin_queue = [*self._twin_queue, *outcomes][-_TWIN_OUTCOMES:]
        texts = [one.text[: self.config.bytes_after] for one in outcomes]
        try:
            activity = activity_after(moment.brain, texts, device=moment.batch.bytes.device)
            self._acts.learn(outcomes, activity)
            self._shuffled.learn([self._with_another_choice(one) for one in outcomes], activity)
        except NotMeasurableError as problem:
            raise NotMeasurableError(str(problem), {**detail, **problem.detail}) from None

    def _with_another_choice(self, outcome: Outcome) -> Outcome:
        """The same text behind a choice that was drawn again: what is recognised then is chance."""
        offered = np.flatnonzero(outcome.offered())
        drawn = int(offered[int(torch.randint(len(offered), (1,), generator=self._generator))])
        return replace(outcome, choice=replace(outcome.choice, chosen=drawn))

    def _measure_control(self, control: str, moment: Moment) -> None:
        """What an untrained twin can tell of the same acts from the same text."""
        outcomes, self._twin_queue = self._twin_queue, []
        found = None
        with suppress(*BROKEN):
            if outcomes:
                twin = twin_of(moment.brain, control, seed=self._seed)
                texts = [one.text[: self.config.bytes_after] for one in outcomes]
                self._of_twin.learn(outcomes, activity_after(twin, texts, device=moment.batch.bytes.device))
            found = self._estimated(self._of_twin)
        self._controls.note(
            control,
            None if found is None else clipped(found),
            None if found is None else found.standard_error,
            step=moment.step,
        )

    def _estimated(self, recognition: ActRecognition) -> Agency | None:
        """What is recognised, once enough choices were scored; None before, and of silent modules."""
        if len(recognition.scored) < self.config.warm_up_choices or recognition.silent:
            return None
        return recognition.scored.estimate()

    def _own_words(self, moment: Moment, detail: Mapping[str, float], *, num_contexts: int) -> Agency:
        """Agency over the brain's own next bytes, over the newest probed contexts.

        Raises:
            UnsupportedError: the brain cannot be steered.
            NotMeasurableError: too few contexts were probed.
        """
        if not isinstance(moment.brain, Steerable):
            raise UnsupportedError(
                "this brain does not choose what it reads, and cannot be steered byte by byte", detail
            )
        rows, words = self._contexts(moment, detail, num_contexts), self._words
        words.probe(moment.brain, rows, generator=self._generator)
        words.measure_control(moment.brain, rows, step=moment.step)
        if words.num_contexts < words.num_wanted:
            raise WarmingUpError(f"warming up, {words.num_contexts} of {words.num_wanted} contexts", detail)
        found = words.estimate()
        if found is None:
            raise NotMeasurableError(f"the next byte carries less than {MIN_ACTION_ENTROPY:.3f} nats", detail)
        return found

    def _agency(self, found: Agency, detail: Mapping[str, float]) -> Reading:
        return self._reading(
            found.eta,
            uncertainty=found.standard_error,
            samples=found.samples,
            detail={**detail, "action_entropy": found.action_entropy},
        )

    def _contexts(self, moment: Moment, detail: Mapping[str, float], count: int) -> Tensor:
        """At most `count` pieces of this step's live rows, uint8 (C, T)."""
        try:
            return live_pieces(
                moment.batch,
                longest=self.config.context_bytes,
                shortest=1,
                most=count,
                generator=self._generator,
            )
        except NotMeasurableError as problem:
            raise NotMeasurableError(str(problem), detail) from None

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Scored choices with their models, probed contexts, random states; not what is still being followed."""
        follower = self._follower
        quiet = -1 if follower.quiet_steps is None else follower.quiet_steps
        world = self._world.tensors("choices")
        counts = [quiet, follower.num_randomised, follower.num_too_many, self._world.scored.num_candidates]
        return (
            {"random": self._generator.get_state(), "choices.counts": torch.tensor(counts)}
            | world
            | self._acts.tensors("acts")
            | self._shuffled.tensors("shuffled")
            | self._of_twin.tensors("twin")
            | self._controls.tensors()
            | self._words.tensors()
        )

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back; what an older definition did not know starts over."""
        if "random" not in tensors:
            return
        self._generator.set_state(tensors["random"].cpu())
        self._words.load(tensors)
        self._queue = []
        self._follower.forget_pending()
        if "choices.log_q" in tensors:
            quiet, randomised, too_many, _ = tensors["choices.counts"].tolist()
            self._follower.quiet_steps = None if quiet < 0 else quiet
            self._follower.num_randomised, self._follower.num_too_many = randomised, too_many
            self._world.load(tensors, "choices")
        self._acts.load(tensors, "acts")
        self._shuffled.load(tensors, "shuffled")
        self._of_twin.load(tensors, "twin")
        self._controls.load(tensors)
