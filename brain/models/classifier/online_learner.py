"""The online learner: fast weights, two slow averages, a memory of examples, and sleep.

Shapes: B live examples, K replayed ones, I inputs, O outputs (classes, or values).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from brain.averaging.averages import PREFIX as AVERAGE
from brain.averaging.averages import kept
from brain.errors import SpecMismatchError
from brain.models.classifier.example_memory import ExampleMemory
from brain.models.classifier.learn_reports import LearnReport, SleepReport
from brain.models.classifier.online_mlp import OnlineMLP
from brain.ports import BrainState
from brain.sleep.schedule import is_worse, rate_factor
from brain.tensors import copy_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.models.classifier.config import LearnerConfig
    from brain.models.classifier.online_mlp import Trace

Weights = Literal["fast", "plastic", "stable"]

MEMORY = "memory|"
KIND = "learner"


@dataclass(frozen=True)
class Examples:
    """Examples (n, I) and their targets (n,) or (n, O)."""

    examples: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.examples)


class OnlineLearner:
    """Learns a labelled stream example by example, without tasks and without an end.

    What comes is learned at once (fast weights); what was is replayed with its labels and the logits it was
    met with (DER++, Buzzega et al. 2020) and held to whichever slow average is surer of it (CLS-ER, Arani et
    al. 2022); hidden units that serve nothing are renewed (continual backprop). `sleep` consolidates.

    Example: `learner = OnlineLearner(config, seed=0)`, then `learner.learn(x, y)` for every small batch and
    `learner.predict(x)` at any time.
    """

    def __init__(self, config: LearnerConfig, *, seed: int = 0, device: torch.device | None = None) -> None:
        self.config = config
        self.mlp = OnlineMLP(config.mlp, seed=seed, device=device)
        self.plastic, self.stable = self.mlp.flat.clone(), self.mlp.flat.clone()
        outputs = config.mlp.sizes[-1]
        like = torch.zeros(0, dtype=torch.int64) if config.task == "classify" else torch.zeros(0, outputs)
        self.memory = ExampleMemory(
            config.memory.capacity, config.mlp.sizes[0], outputs, targets=like, seed=seed + 3
        )
        self._noise = torch.Generator().manual_seed(seed + 4)
        self.seen = torch.zeros(outputs, dtype=torch.bool, device=device)
        self.num_samples = 0
        self.num_updates = 0

    # Awake.

    @torch.no_grad()
    def learn(
        self, examples: Tensor, targets: Tensor, *, replayed: Examples | None = None, consistent: bool = True
    ) -> LearnReport:
        """Score live examples (B, I) with targets (B,) or (B, O), learn from them, remember them.

        Args:
            examples: live ones; there may be none where others are replayed.
            targets: theirs.
            replayed: examples that someone else remembered, instead of those of the own memory.
            consistent: replayed examples are also held to the averages.
        """
        memory, live = self.config.memory, len(examples)
        allowed = self._allowed_classes(targets)
        first: Tensor | None = None
        renewed, norm = 0, math.nan
        for _ in range(memory.updates):
            slots = None
            rows = examples if replayed is None else torch.cat([examples, replayed.examples])
            if replayed is None and self.memory.num_items and memory.rows:
                slots = self.memory.sample(memory.rows)
                rows = torch.cat([examples, self._noisy(self.memory.examples[slots])])
            trace = self.mlp.forward(rows.unsqueeze(0))
            outputs = trace.outputs[0]
            first = outputs.clone() if first is None else first
            delta = torch.empty_like(outputs)
            delta[:live] = self._error(outputs[:live], targets, allowed).div_(max(live, 1))
            if len(rows) > live:
                others = self.memory.targets[slots] if replayed is None else replayed.targets
                error = self._replay_error(rows[live:], outputs[live:], others, slots, consistent=consistent)
                delta[live:] = error.div_(len(rows) - live)
            taken = self._step(trace, delta)
            if taken is None:
                return LearnReport(loss=math.nan, outputs=first, num_updates=0, num_renewed=0, applied=False)
            renewed, norm = renewed + taken[0], taken[1]
        assert first is not None
        self.num_samples += live
        if self.config.task == "classify":
            self.seen[targets] = True
        if memory.capacity:
            self.memory.add(examples, targets, first[:live])
        loss = self._loss(first[:live], targets) if live else math.nan
        return LearnReport(
            loss=loss, outputs=first, num_updates=memory.updates, num_renewed=renewed, grad_norm=norm
        )

    def _allowed_classes(self, targets: Tensor) -> Tensor | None:
        """Mask (O,) over the classes a live example is learned against; None for all."""
        if self.config.task != "classify" or not self.config.memory.separate_classes:
            return None
        allowed = ~self.seen
        allowed[targets] = True
        return allowed

    def _error(self, outputs: Tensor, targets: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Gradient of the summed loss by the outputs, (n, O)."""
        if self.config.task == "regress":
            return outputs - targets
        if allowed is not None:
            outputs = outputs.masked_fill(~allowed, -torch.inf)
        error = outputs.softmax(1)
        error[torch.arange(len(targets)), targets] -= 1.0
        return error

    def _replay_error(
        self, rows: Tensor, outputs: Tensor, targets: Tensor, slots: Tensor | None, *, consistent: bool
    ) -> Tensor:
        memory = self.config.memory
        error = self._error(outputs, targets).mul_(memory.label_weight)
        if memory.logit_weight and slots is not None:
            error.add_(
                outputs - self.memory.logits[slots], alpha=2.0 * memory.logit_weight / outputs.shape[1]
            )
        if memory.consistency_weight and consistent:
            teacher = self._surer(rows, targets)
            error.add_(outputs - teacher, alpha=2.0 * memory.consistency_weight / outputs.shape[1])
        return error

    def _surer(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Outputs (K, O) of whichever average is surer of each row's target."""
        both = [
            self.mlp.forward(rows.unsqueeze(0), flat=flat).outputs[0] for flat in (self.plastic, self.stable)
        ]
        if self.config.task == "classify":
            sure = [outputs.log_softmax(1).gather(1, targets[:, None]) for outputs in both]
        else:
            sure = [-(outputs - targets).square().sum(1, keepdim=True) for outputs in both]
        return torch.where(sure[0] > sure[1], both[0], both[1])

    def _step(self, trace: Trace, delta: Tensor, *, asleep: bool = False) -> tuple[int, float] | None:
        """Update; units renewed and the gradient's norm (nan if none is looked at), None if that is not finite."""
        self.mlp.backward(trace, delta.unsqueeze(0))
        norm, most = math.nan, self.config.clip_norm
        if most is not None:
            norm = float(self.mlp.gradient.norm())
            if not math.isfinite(norm):
                return None
            if norm > most:
                self.mlp.gradient.mul_(most / norm)
        renewals = self.mlp.update(trace)
        self.num_updates += 1
        self._follow(asleep=asleep)
        return sum(renewal.num_units for renewal in renewals), norm

    def _follow(self, *, asleep: bool) -> None:
        """Let both averages take in the weights."""
        averages = self.config.averages
        if self.num_updates % averages.every_updates:
            return
        first, end = self.num_updates - averages.every_updates, self.num_updates
        stable = min(averages.stable, averages.consolidation) if asleep else averages.stable
        # Counted from 1: the first weights never were the mean of anything learned.
        self.plastic.lerp_(self.mlp.flat, 1.0 - kept(first + 1, end + 1, averages.plastic))
        self.stable.lerp_(self.mlp.flat, 1.0 - kept(first + 1, end + 1, stable))

    def _noisy(self, rows: Tensor) -> Tensor:
        noise = self.config.memory.noise
        return rows + torch.randn(rows.shape, generator=self._noise) * noise if noise else rows

    def _loss(self, outputs: Tensor, targets: Tensor) -> float:
        if self.config.task == "regress":
            return float(0.5 * (outputs - targets).square().sum(1).mean())
        return float(functional.cross_entropy(outputs, targets))

    # Asked.

    @torch.no_grad()
    def outputs(self, examples: Tensor, *, weights: Weights = "fast") -> Tensor:
        """Logits or values (B, O) for examples (B, I); changes nothing."""
        flat = {"fast": self.mlp.flat, "plastic": self.plastic, "stable": self.stable}[weights]
        return self.mlp.forward(examples.unsqueeze(0), flat=flat).outputs[0]

    def predict(self, examples: Tensor, *, weights: Weights = "fast") -> Tensor:
        """Classes (B,), or values (B, O)."""
        outputs = self.outputs(examples, weights=weights)
        return outputs.argmax(1) if self.config.task == "classify" else outputs

    # Asleep.

    @torch.no_grad()
    def sleep(self, steps: int | None = None) -> SleepReport:
        """Replay the memory, each class alike, at a falling rate, held to what the stable average knows.

        Then the stable average takes over what was consolidated. If the mean loss over the memory rose by
        more than the tolerance, everything is as it was before.
        """
        settings = self.config.sleep
        steps = settings.steps if steps is None else steps
        if not self.memory.num_items:
            return SleepReport(steps=0, loss_before=0.0, loss_after=0.0, rolled_back=False)
        kept = slice(0, self.memory.num_items)
        before = self._loss(self.outputs(self.memory.examples[kept]), self.memory.targets[kept])
        undo = [tensor.clone() for tensor in self._moving()]
        num_updates = self.mlp.num_steps, self.num_updates
        rate = self.mlp.rate.clone()
        for step in range(steps):
            share = rate_factor(step, steps, settings.final_rate)
            self.mlp.rate.copy_(rate * self.config.consolidation.rate * share)
            self._sleep_step()
        self.mlp.rate.copy_(rate)
        after = self._loss(self.outputs(self.memory.examples[kept]), self.memory.targets[kept])
        rolled_back = is_worse(before, after, settings.tolerance)
        if rolled_back:
            for tensor, old in zip(self._moving(), undo, strict=True):
                tensor.copy_(old)
            self.mlp.num_steps, self.num_updates = num_updates
        else:
            self.stable.copy_(self.plastic)
        return SleepReport(steps=steps, loss_before=before, loss_after=after, rolled_back=rolled_back)

    def _sleep_step(self) -> None:
        slots = self.memory.sample_balanced(self.config.consolidation.rows)
        rows = Examples(self._noisy(self.memory.examples[slots]), self.memory.targets[slots])
        self.dream(rows, logits=self.memory.logits[slots])

    @torch.no_grad()
    def dream(self, rows: Examples, *, logits: Tensor | None = None, asleep: bool = False) -> LearnReport:
        """One update on remembered examples alone, held to what the stable average knows.

        Args:
            rows: the examples.
            logits: those they were met with, (n, O), if they are known.
            asleep: the stable average follows at its rate of consolidation.
        """
        settings = self.config.consolidation
        trace = self.mlp.forward(rows.examples.unsqueeze(0))
        outputs = trace.outputs[0]
        before = outputs.clone()
        error = self._error(outputs, rows.targets)
        if settings.distillation:
            teacher = self.outputs(rows.examples, weights="stable")
            error.add_(outputs - teacher, alpha=2.0 * settings.distillation / outputs.shape[1])
        if settings.logit_weight and logits is not None:
            error.add_(outputs - logits, alpha=2.0 * settings.logit_weight / outputs.shape[1])
        taken = self._step(trace, error.div_(len(rows)), asleep=asleep)
        if taken is None:
            return LearnReport(loss=math.nan, outputs=before, num_updates=0, num_renewed=0, applied=False)
        loss = self._loss(before, rows.targets) if self.config.clip_norm is not None else math.nan
        return LearnReport(loss=loss, outputs=before, num_updates=1, num_renewed=taken[0], grad_norm=taken[1])

    def _moving(self) -> list[Tensor]:
        """All that a sleep changes and a rollback puts back, generators apart."""
        return [self.mlp.flat, self.plastic, self.stable, *self.mlp.moments()]

    # What survives a restart.

    def state(self) -> BrainState:
        """References to the live tensors, and all else that the next step depends on."""
        return BrainState(
            model=self.mlp.named(self.mlp.flat),
            learning=self._learning_tensors(),
            counters={
                "num_samples": self.num_samples,
                "num_updates": self.num_updates,
                "num_steps": self.mlp.num_steps,
                "seen": self.seen.nonzero().flatten().tolist(),
                "rate": self.mlp.rate.flatten().tolist(),
                "memory": self.memory.counters(),
            },
            spec={"kind": KIND, "config": asdict(self.config)},
        )

    def load(self, state: BrainState) -> None:
        """Take over a state of this config.

        Raises:
            SpecMismatchError: naming what does not fit; then nothing was changed.
        """
        sizes = state.spec.get("config", {}).get("mlp", {}).get("sizes", ())
        if state.spec.get("kind") != KIND or tuple(sizes) != self.config.mlp.sizes:
            raise SpecMismatchError(
                f"the stored learner is a {state.spec.get('kind')} of sizes {tuple(sizes)}, "
                f"this one a {KIND} of {self.config.mlp.sizes}; build it with the stored config"
            )
        own = self._learning_tensors()
        copy_named([("model", state.model, self.mlp.named(self.mlp.flat)), ("learning", state.learning, own)])
        self.take_counters(state.counters, state.learning)
        self.mlp.rate.copy_(torch.tensor(state.counters["rate"]).reshape(self.mlp.rate.shape))
        self.seen.zero_()
        self.seen[torch.tensor(state.counters["seen"], dtype=torch.int64)] = True

    def take_counters(self, counters: Mapping[str, Any], learning: Mapping[str, Tensor]) -> None:
        """Set what is no tensor of its own: counts and generators."""
        self.mlp.take_generators(learning, num_steps=int(counters["num_steps"]))
        if self.memory.capacity:
            remembered = {
                name.removeprefix(MEMORY): tensor
                for name, tensor in learning.items()
                if name.startswith(MEMORY)
            }
            self._noise.set_state(remembered["noise"].cpu().clone())
            self.memory.load(remembered, counters["memory"])
        self.num_samples, self.num_updates = int(counters["num_samples"]), int(counters["num_updates"])

    def _learning_tensors(self) -> dict[str, Tensor]:
        named = self.mlp.learning_tensors()
        for which, flat in (("plastic", self.plastic), ("stable", self.stable)):
            named |= {f"{AVERAGE}{which}|{name}": view for name, view in self.mlp.named(flat).items()}
        if self.memory.capacity:
            named |= {f"{MEMORY}{name}": tensor for name, tensor in self.memory.tensors().items()}
            named[f"{MEMORY}noise"] = self._noise.get_state()
        return named
