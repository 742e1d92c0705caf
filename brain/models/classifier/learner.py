"""The online learner: fast weights, two slow averages, a memory of examples, and sleep.

Shapes: B live examples, K replayed ones, I inputs, O outputs (classes, or values).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from brain.errors import SpecMismatchError
from brain.models.classifier.example_memory import ExampleMemory
from brain.models.classifier.mlp import OnlineMLP
from brain.models.tensors import copy_named
from brain.ports import BrainState, LearnReport, SleepReport
from brain.sleep.schedule import is_worse, rate_factor

if TYPE_CHECKING:
    from brain.models.classifier.config import LearnerConfig
    from brain.models.classifier.mlp import Trace

Weights = Literal["fast", "plastic", "stable"]


KIND = "classifier"


class OnlineLearner:
    """Learns a labelled stream example by example, without being told of tasks or of an end.

    What comes is learned at once (fast weights); what was is replayed with the labels and the logits it was
    met with (DER++, Buzzega et al. 2020) and held to whichever slow average is surer of it (CLS-ER, Arani et
    al. 2022); hidden units that serve nothing are renewed (continual backprop). `sleep` consolidates.

    Example: `learner = OnlineLearner(config, seed=0)`, then `learner.learn(x, y)` for every small batch and
    `learner.predict(x)` at any time.
    """

    def __init__(self, config: LearnerConfig, *, seed: int = 0) -> None:
        self.config = config
        self.mlp = OnlineMLP(config.mlp, seed=seed)
        self.plastic, self.stable = self.mlp.flat.clone(), self.mlp.flat.clone()
        outputs = config.mlp.sizes[-1]
        like = torch.zeros(0, dtype=torch.int64) if config.task == "classify" else torch.zeros(0, outputs)
        self.memory = ExampleMemory(
            config.memory.capacity, config.mlp.sizes[0], outputs, targets=like, seed=seed + 3
        )
        self._noise = torch.Generator().manual_seed(seed + 4)
        self._seen = torch.zeros(outputs, dtype=torch.bool)
        self.num_samples = 0
        self.num_updates = 0

    # Awake.

    @torch.no_grad()
    def learn(self, examples: Tensor, targets: Tensor) -> LearnReport:
        """Score the live examples (B, I) with targets (B,) or (B, O), learn from them, remember them."""
        memory = self.config.memory
        self.num_samples += len(examples)
        allowed = self._allowed_classes(targets)
        renewed, met, loss = 0, examples, 0.0
        for update in range(memory.updates):
            slots = self.memory.sample(memory.rows) if self.memory.num_items and memory.rows else None
            rows = (
                examples if slots is None else torch.cat([examples, self._noisy(self.memory.examples[slots])])
            )
            trace = self.mlp.forward(rows.unsqueeze(0))
            said = trace.outputs[0]
            delta = torch.empty_like(said)
            live = len(examples)
            if update == 0:
                met = said[:live].clone()
                loss = self._loss(met, targets)
            delta[:live] = self._error(said[:live], targets, allowed).div_(live)
            if slots is not None:
                delta[live:] = self._replay_error(rows[live:], said[live:], slots).div_(len(slots))
            renewed += self._step(trace, delta)
        if memory.capacity:
            self.memory.add(examples, targets, met)
        return LearnReport(loss=loss, outputs=met, num_updates=memory.updates, num_renewed=renewed)

    def _allowed_classes(self, targets: Tensor) -> Tensor | None:
        """Mask (O,) over the classes a live example is learned against; None for all."""
        if self.config.task != "classify":
            return None
        fresh = torch.zeros_like(self._seen)
        fresh[targets] = True
        unseen = ~self._seen
        self._seen |= fresh
        return fresh | unseen if self.config.memory.separate_classes else None

    def _error(self, said: Tensor, targets: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Gradient of the summed loss by the outputs, (n, O)."""
        if self.config.task == "regress":
            return said - targets
        if allowed is not None:
            said = said.masked_fill(~allowed, -torch.inf)
        error = said.softmax(1)
        error[torch.arange(len(targets)), targets] -= 1.0
        return error

    def _replay_error(self, rows: Tensor, said: Tensor, slots: Tensor) -> Tensor:
        memory = self.config.memory
        error = self._error(said, self.memory.targets[slots]).mul_(memory.label_weight)
        if memory.logit_weight:
            error.add_(said - self.memory.logits[slots], alpha=2.0 * memory.logit_weight / said.shape[1])
        if memory.consistency_weight:
            teacher = self._surer(rows, self.memory.targets[slots])
            error.add_(said - teacher, alpha=2.0 * memory.consistency_weight / said.shape[1])
        return error

    def _surer(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Outputs (K, O) of whichever average is surer of each row's target."""
        both = [
            self.mlp.forward(rows.unsqueeze(0), flat=flat).outputs[0] for flat in (self.plastic, self.stable)
        ]
        if self.config.task == "classify":
            sure = [said.log_softmax(1).gather(1, targets[:, None]) for said in both]
        else:
            sure = [-(said - targets).square().sum(1, keepdim=True) for said in both]
        return torch.where(sure[0] > sure[1], both[0], both[1])

    def _step(self, trace: Trace, delta: Tensor) -> int:
        self.mlp.backward(trace, delta.unsqueeze(0))
        renewals = self.mlp.update(trace)
        self.num_updates += 1
        young = 1.0 - 1.0 / (self.num_updates + 1)
        self.plastic.lerp_(self.mlp.flat, 1.0 - min(young, self.config.averages.plastic))
        self.stable.lerp_(self.mlp.flat, 1.0 - min(young, self.config.averages.stable))
        return sum(renewal.num_units for renewal in renewals)

    def _noisy(self, rows: Tensor) -> Tensor:
        noise = self.config.memory.noise
        return rows + torch.randn(rows.shape, generator=self._noise) * noise if noise else rows

    def _loss(self, said: Tensor, targets: Tensor) -> float:
        if self.config.task == "regress":
            return float(0.5 * (said - targets).square().sum(1).mean())
        return float(functional.cross_entropy(said, targets))

    # Asked.

    @torch.no_grad()
    def outputs(self, examples: Tensor, *, weights: Weights = "fast") -> Tensor:
        """Logits or values (B, O) for examples (B, I); changes nothing."""
        flat = {"fast": self.mlp.flat, "plastic": self.plastic, "stable": self.stable}[weights]
        return self.mlp.forward(examples.unsqueeze(0), flat=flat).outputs[0]

    def predict(self, examples: Tensor, *, weights: Weights = "fast") -> Tensor:
        """Classes (B,), or values (B, O)."""
        said = self.outputs(examples, weights=weights)
        return said.argmax(1) if self.config.task == "classify" else said

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
        settings = self.config.consolidation
        slots = self.memory.sample_balanced(settings.rows)
        rows, targets = self._noisy(self.memory.examples[slots]), self.memory.targets[slots]
        trace = self.mlp.forward(rows.unsqueeze(0))
        said = trace.outputs[0]
        error = self._error(said, targets)
        if settings.distillation:
            teacher = self.outputs(rows, weights="stable")
            error.add_(said - teacher, alpha=2.0 * settings.distillation / said.shape[1])
        if settings.logit_weight:
            error.add_(said - self.memory.logits[slots], alpha=2.0 * settings.logit_weight / said.shape[1])
        self._step(trace, error.div_(len(slots)))

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
        parts: dict[str, dict[str, Tensor]] = {"mlp": {}, "memory": {}}
        for name, tensor in state.learning.items():
            part, _, rest = name.partition(":")
            if part in parts:
                parts[part][rest] = tensor
        counters = state.counters
        self.mlp.take_generators(parts["mlp"], num_steps=int(counters["num_steps"]))
        self.memory.load(parts["memory"], counters["memory"])
        self._noise.set_state(state.learning["noise"].clone())
        self.num_samples, self.num_updates = int(counters["num_samples"]), int(counters["num_updates"])

    def _learning_tensors(self) -> dict[str, Tensor]:
        averages = {"plastic": self.plastic, "stable": self.stable}
        named = {
            f"{average}:{name}": view
            for average, flat in averages.items()
            for name, view in self.mlp.named(flat).items()
        }
        named |= {f"mlp:{name}": tensor for name, tensor in self.mlp.learning_tensors().items()}
        named |= {f"memory:{name}": tensor for name, tensor in self.memory.tensors().items()}
        return named | {"rate": self.mlp.rate, "seen": self._seen, "noise": self._noise.get_state()}
