"""The SYNAPSE brain: scores what it reads, learns from it, carries its state on, speaks, can be watched."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from brain.averaging.averages import Averages
from brain.blocks.byte_loss import byte_nats
from brain.blocks.linear import initialize
from brain.blocks.span import Span
from brain.errors import SpecMismatchError
from brain.models.synapse.evidence import gather_states
from brain.models.synapse.generation import Reader, continue_bytes, score_rows
from brain.models.synapse.growing import grow, next_column, probe
from brain.models.synapse.lanes import Lanes
from brain.models.synapse.network import SynapseNetwork
from brain.models.synapse.sites import SELF_MODEL
from brain.models.synapse.spec import SynapseSpec
from brain.models.synapse.teaching import Lesson, Teacher
from brain.models.tensors import copy_named
from brain.optim.online import OnlineOptimizer
from brain.plasticity.lasting import LastingPlasticity
from brain.plasticity.listening import EVIDENCE_PREFIX, evenly, listening
from brain.ports import Batch, BrainState, StepReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from brain.growth.operators import Growth
    from brain.growth.plan import Birth, GrowthPlan, GrowthSite
    from brain.growth.signals import SiteProbe
    from brain.models.synapse.config import SynapseConfig
    from brain.optim.config import OptimizerConfig

FROZEN = "frozen"  # the counter that holds the names of weights frozen by hand
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


class Synapse:
    """A byte-level learner without end: `Brain`, `Observable`, `Steerable`, `Sleeper`, `Columnar` of `brain.ports`.

    World model: the next byte. Self model: its own next state, behind a stop-gradient. Workspace: the mixer
    and the MLP of each block, those of columns included. Confidence: the probability of its best guess.
    """

    def __init__(
        self, spec: SynapseSpec, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> None:
        self.spec, self.device = spec, device
        self.dtype = PRECISIONS[spec.config.precision]
        self.network = SynapseNetwork(spec)
        initialize(self.network, torch.Generator().manual_seed(seed))
        self.network.to(device)
        self.module_names = self.network.module_names
        sites = {site: self.network.unit_tensors(site) for site in self.network.growth_modules()}
        renews = optimizer.plasticity.replacement_rate > 0
        unit_axes = {name: axis for site in sites.values() for name, axis in site.axes.items()}
        self.optimizer = OnlineOptimizer(
            self.network,
            optimizer,
            self.network.hidden_matrices(),
            unit_axes=unit_axes if renews else self.network.unit_axes(),
            clip_apart=(f"{SELF_MODEL}.",),  # through a shared norm it would move the trunk after all
        )
        self.lanes = Lanes(self.network, lanes, device=device, dtype=self.dtype)
        self.averages = Averages(self.network, optimizer.averaging)
        self.teacher = Teacher(self.network, self.averages, self.dtype)
        self.plasticity = LastingPlasticity(
            self.network,
            sites,
            optimizer=self.optimizer,
            averages=self.averages,
            carried={name.removeprefix("carried|"): t for name, t in self.lanes.tensors().items()},
            config=optimizer.plasticity,
        )
        self.counters: dict[str, Any] = {
            "step": 0,
            "skipped": 0,
            "rate_scale": 1.0,
            "averaged": 0,
            "renewed": 0,
            FROZEN: [],
        }
        self._shown = False  # whether vital signs saw the units in this life

    @classmethod
    def build(
        cls, config: SynapseConfig, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> Synapse:
        """A newborn of `config`."""
        return cls(SynapseSpec.newborn(config), optimizer=optimizer, lanes=lanes, device=device, seed=seed)

    @classmethod
    def from_spec(
        cls,
        spec: Mapping[str, Any],
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> Synapse:
        """A brain of a stored architecture, its tensors still to be loaded."""
        return cls(SynapseSpec.from_json(spec), optimizer=optimizer, lanes=lanes, device=device, seed=seed)

    # Learning.

    def learn(self, batch: Batch) -> StepReport:
        """Score the batch, then learn from it; if loss or gradient is not finite only `skipped` changes.

        In one of so many steps replayed rows also learn from whichever average is surer of them.
        """
        return self._learn(batch, lesson=self._consistency(batch))

    def dream(self, batch: Batch, *, rate_factor: float) -> StepReport:
        """One step of sleep, at a share of the rate: every row also learns from the stable average."""
        rows = batch.bytes.to(self.device)
        lesson = self.teacher.stable(rows, torch.arange(len(rows), device=self.device))
        return self._learn(batch, lesson=lesson, rate_factor=rate_factor, asleep=True)

    def _consistency(self, batch: Batch) -> Lesson | None:
        every = self.averages.config.consistency_every_steps
        replayed = (batch.lane < 0).nonzero().squeeze(1).to(self.device)
        due = self.averages and every and self.counters["averaged"] and self.counters["step"] % every == 0
        if not due or not len(replayed):
            return None
        return self.teacher.surest(batch.bytes.to(self.device), batch.mask.to(self.device), replayed)

    def _learn(
        self, batch: Batch, *, lesson: Lesson | None, rate_factor: float = 1.0, asleep: bool = False
    ) -> StepReport:
        rows, mask, lane = (t.to(self.device) for t in (batch.bytes, batch.mask, batch.lane))
        taken = self.lanes.take(lane, batch.reset.to(self.device), rows.shape[1])
        with self._listening() as heard:
            done = self.network(rows, taken.span, taken.state, valid=mask)
            predicted, self_loss = self._predict_self(done.states.detach(), mask)
        nats, best, guess = byte_nats(done.logits, rows, self.spec.config.logit_cap)
        nats = nats.masked_fill(~mask, 0.0)
        loss = nats.sum() / mask.sum().clamp(min=1)
        total = loss + self.spec.config.self_model_weight * self_loss
        if lesson is not None:
            total = total + lesson.loss(done.logits, rows, mask, self.spec.config.logit_cap)
        total.backward()  # type: ignore[no-untyped-call]
        said = {site: evenly(activity, mask) for site, activity in heard.items()}
        norm = self.optimizer.gather()
        applied = math.isfinite(total.item()) and math.isfinite(norm.item())
        scale = self.counters["rate_scale"] * rate_factor
        rate = self.optimizer.rate(self.counters["step"], scale)
        if applied and scale:
            self.optimizer.step(self.counters["step"], scale)
            self.counters["averaged"] = self.averages.follow(self.counters["averaged"], asleep=asleep)
            if not asleep:
                self.counters["renewed"] += self.plasticity.follow(self.counters["step"], said, rate)
        else:
            self.optimizer.clear()
        if applied:
            self.lanes.put(lane, mask, done.update)
        self.counters["step" if applied else "skipped"] += 1
        with torch.no_grad():
            per_row, live = nats.detach().sum(dim=1).cpu(), batch.lane.cpu() >= 0
            count = batch.mask.cpu().sum(dim=1)
            live_bytes = mask & (lane >= 0)[:, None]
            evidence = gather_states(live_bytes, done.states.detach(), predicted.detach()) | {
                "confidence": best[live_bytes],
                "correct": (guess == rows)[live_bytes],
                **{f"{EVIDENCE_PREFIX}{site}": activity for site, activity in said.items()},
            }
            self._shown = True
        return StepReport(
            loss=_mean(per_row[live], count[live]),
            replay_loss=None if bool(live.all()) else _mean(per_row[~live], count[~live]),
            num_bytes=int(count[live].sum()),
            row_loss=per_row / count.masked_fill(count == 0, 1).where(count > 0, torch.nan),
            grad_norm=norm.item(),
            learning_rate=rate,
            applied=applied,
            metrics={"self_model_loss": self_loss.item()},
            evidence=evidence,
        )

    def _listening(self) -> AbstractContextManager[dict[str, Tensor]]:
        """Hear the hidden units in one of so many steps, and in the first of a life."""
        looks = self.plasticity.looks_at(self.counters["step"]) or not self._shown
        return listening(self.network.growth_modules()) if looks else nullcontext({})

    def _predict_self(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Predicted next states (B, T − 1, d), and their mean squared error; the states cannot be moved."""
        predicted = self.network.self_model(states[:, :-1].to(self.dtype)).to(states.dtype)
        both = (mask[:, 1:] & mask[:, :-1]).unsqueeze(-1)
        error = (predicted - states[:, 1:]).square().masked_fill(~both, 0.0)
        return predicted, error.sum() / (both.sum() * states.shape[-1]).clamp(min=1)

    @property
    def has_slow_weights(self) -> bool:
        """False when averaging is switched off."""
        return bool(self.averages)

    def wearing_stable(self) -> AbstractContextManager[None]:
        """Score and generate with the stable average meanwhile; learning must wait."""
        return self.averages.worn("stable")

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply every rate from the next step on; 0 stops learning for good, renewal and drawing back too."""
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"a learning rate is scaled by a finite factor of at least 0, not {factor}")
        self.counters["rate_scale"] *= factor

    def freeze(self, prefix: str, *, frozen: bool = True) -> tuple[str, ...]:
        """Stop (or go on) learning every weight whose name begins with `prefix`; returns their names.

        It is part of the state, so a restart keeps it. What a column has frozen stays frozen.
        """
        names = tuple(name for name, _ in self.network.named_parameters() if name.startswith(prefix))
        before = set(self.counters[FROZEN])
        self.counters[FROZEN] = sorted(before.union(names) if frozen else before.difference(names))
        self._ask_for_gradients()
        return names

    def _ask_for_gradients(self) -> None:
        """Of every weight that is frozen neither by hand nor beside a column."""
        for name, weight in self.network.named_parameters():
            weight.requires_grad_(not (name in self.counters[FROZEN] or self.spec.is_frozen(name)))

    # Reading without learning.

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Summed nats of each row (B,), float64 on the CPU, read from a reset state; changes nothing."""
        rows, mask = rows.to(self.device), mask.to(self.device)
        return score_rows(self.reader(len(rows)), rows, mask).cpu()

    def generate(
        self, prompt: bytes, *, max_bytes: int, temperature: float, top_p: float, generator: torch.Generator
    ) -> Iterator[int]:
        """Continue `prompt` byte by byte in constant memory; changes nothing, draws only from `generator`."""
        if temperature < 0 or not 0 < top_p <= 1 or max_bytes < 0:
            raise ValueError("generate needs temperature >= 0, 0 < top_p <= 1 and max_bytes >= 0")
        return continue_bytes(
            self.reader(1),
            prompt,
            max_bytes=max_bytes,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )

    @torch.no_grad()
    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        """Activity of each module over uint8 rows (B, T) from a reset state, nudges included.

        Shapes: float32 (B, T, d) each. Runs in float32 whatever the precision of learning, so that small
        perturbations are not lost in rounding.
        """
        nudges = inject or {}
        unknown = set(nudges) - set(self.module_names)
        if unknown:
            raise ValueError(
                f"no module is called {min(unknown)!r}; there are {', '.join(self.module_names)}"
            )
        activity: dict[str, Tensor] = {}

        def watch(name: str, output: Tensor) -> Tensor:
            nudge = nudges.get(name)
            output = output if nudge is None else output + nudge.to(output)
            activity[name] = output
            return output

        rows = rows.to(self.device)
        span = Span.beginning(*rows.shape, device=self.device, dtype=torch.float32)
        self.network(rows, span, None, watch=watch)
        return activity

    def sever(self) -> None:
        """Cut every wire between modules: each hears the input alone, and all still speak to the head."""
        self.network.severed = True

    def reader(self, rows: int) -> Reader:
        """A reader of `rows` rows, all in the reset state; the brain itself is only looked at."""
        return Reader(self.network, rows, device=self.device, dtype=self.dtype)

    # Growth.

    def sites(self) -> Mapping[str, GrowthSite]:
        """Where units can be born, from input to output."""
        return self.spec.growth_sites()

    def next_column(self) -> Birth:
        """What a column beside all that is there would bring and freeze."""
        return next_column(self)

    def grow(self, plan: GrowthPlan) -> Growth:
        """Grow as planned, without a change of what is said; tensors named after parameters can follow."""
        return grow(self, plan)

    def rebuild(self, spec: Mapping[str, Any]) -> None:
        """Take on another architecture, its tensors still to be loaded; counters begin anew.

        Of what is frozen, only what stands beside a younger column stays so; `load` brings back the rest.
        """
        self.__init__(  # type: ignore[misc]
            SynapseSpec.from_json(spec),
            optimizer=self.optimizer.config,
            lanes=self.lanes.count,
            device=self.device,
            seed=0,
        )

    def probe_sites(self, batch: Batch, generator: torch.Generator) -> Mapping[str, SiteProbe]:
        """How each site fares on the live rows of a batch, read from a reset state; changes nothing."""
        return probe(self, batch, generator)

    # What survives a restart.

    def state(self) -> BrainState:
        """References to weights, moments and carried state, no copies."""
        return BrainState(
            model={name: p.detach() for name, p in self.network.state_dict().items()},
            learning=self.optimizer.tensors()
            | self.lanes.tensors()
            | self.averages.tensors()
            | self.plasticity.tensors(),
            counters=dict(self.counters),
            spec=self.spec.to_json(),
        )

    def load(self, state: BrainState) -> None:
        """Take over a state of this architecture, into the tensors that are already here.

        Raises:
            SpecMismatchError: naming the first tensor that is missing, superfluous or of another shape; then
                nothing was changed.
        """
        own = self.state()
        frozen = [
            str(name) for name in state.counters.get(FROZEN, ())
        ]  # a state of before it was kept has none
        if strange := sorted(set(frozen) - dict(self.network.named_parameters()).keys()):
            raise SpecMismatchError(f"frozen weight {strange[0]} has no place in this brain")
        copy_named([("model", state.model, own.model), ("learning", state.learning, own.learning)])
        self.counters.update({**state.counters, FROZEN: frozen})
        self._ask_for_gradients()

    def num_parameters(self) -> int:
        """Trainable scalars."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def num_neurons(self) -> int:
        """Hidden units of the growth sites."""
        return sum(self.spec.sites.values())


def _mean(nats: Tensor, count: Tensor) -> float:
    return (nats.sum() / count.sum()).item() if bool(count.any()) else math.nan
