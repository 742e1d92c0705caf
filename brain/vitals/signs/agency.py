"""Agency of a live brain: over the world where it acts on it, else over its own next words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.ports import Moment, Reading, Steerable
from brain.vitals.action_information import MIN_ACTION_ENTROPY, Agency, closed_loop_agency
from brain.vitals.choices import ChoiceLedger
from brain.vitals.closed_loop import probe_contexts
from brain.vitals.live import Clock, LiveSign, NotMeasurableError
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.vitals.config import AgencyConfig
    from brain.vitals.modules import ModuleWatch


class AgencySign(LiveSign):
    """η = I(A; O | C) / H(A | C); `acts` in the detail is 1 for the world, 0 for the brain's own words.

    World agency is scored on randomised choices with a learned inverse model. Over a stream that the brain
    cannot influence it is 0 by construction; then `agency_self` from closed-loop probes is shown.
    """

    name = "agency"

    def __init__(
        self,
        config: AgencyConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - agency looks at actions, not modules
        seed: int,
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config
        self.version = f"2 k={config.next_bytes} actions={config.actions} contexts={config.contexts}"
        self._ledger = ChoiceLedger(config, seed=seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._probed = Window(config.contexts, ("actions", "continuations"))

    def observe(self, moment: Moment) -> None:
        """Follow what came of the brain's choices."""
        self._ledger.observe(moment)

    def _estimate(self, moment: Moment) -> Reading:
        return self._over_world() if self._ledger.acts else self._over_itself(moment)

    def _over_world(self) -> Reading:
        self._ledger.settle()
        count, wanted = self._ledger.num_scored, self.config.warm_up_choices
        detail = {"acts": 1.0, "choices": float(self._ledger.num_randomised)}
        if self._ledger.num_too_many and not count:
            raise NotMeasurableError("the brain chooses among too many candidates to tell them apart", detail)
        if count < wanted:
            raise NotMeasurableError(
                f"warming up, {count} of {wanted} choices", {**detail, "warming_up": 1.0}
            )
        found = self._ledger.estimate()
        if found is None:
            raise NotMeasurableError("the choices carry less than 0.05 bit", detail)
        return self._agency(found, {**detail, "world": min(1.0, max(0.0, found.eta))})

    def _over_itself(self, moment: Moment) -> Reading:
        detail = {"acts": 0.0, "world": 0.0}
        if not isinstance(moment.brain, Steerable):
            raise NotMeasurableError(
                "this brain cannot influence the stream (world agency 0) nor be steered byte by byte",
                detail,
            )
        rows = self._contexts(moment, detail)
        probed = probe_contexts(
            moment.brain,
            rows,
            num_actions=self.config.actions,
            num_next=self.config.next_bytes,
            generator=self._generator,
        )
        self._probed.add(probed.actions, probed.continuations)
        if len(self._probed) < self.config.contexts // 2:
            have, wanted = len(self._probed), self.config.contexts // 2
            raise NotMeasurableError(
                f"warming up, {have} of {wanted} contexts", {**detail, "warming_up": 1.0}
            )
        found = closed_loop_agency(*self._probed.arrays())
        if found is None:
            raise NotMeasurableError(f"the next byte carries less than {MIN_ACTION_ENTROPY:.3f} nats", detail)
        return self._agency(found, {**detail, "self": min(1.0, max(0.0, found.eta))})

    def _agency(self, found: Agency, detail: Mapping[str, float]) -> Reading:
        return self._reading(
            found.eta,
            uncertainty=found.standard_error,
            samples=found.samples,
            detail={**detail, "action_entropy": found.action_entropy},
        )

    def _contexts(self, moment: Moment, detail: Mapping[str, float]) -> Tensor:
        """Beginnings of live rows of this step's batch, uint8 (≤ contexts a tick, T)."""
        batch = moment.batch
        length = min(self.config.context_bytes, batch.bytes.shape[1])
        whole = (batch.lane >= 0) & batch.mask[:, :length].all(dim=1)
        usable = whole.cpu().nonzero().squeeze(1)
        if len(usable) == 0:
            raise NotMeasurableError("no whole live row in this batch", detail)
        order = torch.randperm(len(usable), generator=self._generator)[: self.config.contexts_per_tick]
        return batch.bytes[usable[order].to(batch.bytes.device), :length]

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Scored choices with their model, probed contexts, random states."""
        return (
            {"random": self._generator.get_state()} | self._ledger.tensors() | self._probed.tensors("probed")
        )

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take them back."""
        if "random" not in tensors:
            return
        self._generator.set_state(tensors["random"].cpu())
        self._ledger.load(tensors)
        self._probed.load(tensors, "probed")
