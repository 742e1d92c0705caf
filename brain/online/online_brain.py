"""Every language brain: scores what it reads, learns from it, carries its state on, generates, can be watched, grows.

Shapes: B rows of a batch, T bytes of a row, S symbols of a row, N scored units, d width of the reported state.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from brain.capabilities import Forgotten
from brain.errors import SpecMismatchError
from brain.online.adopting import adopted
from brain.online.growing import grow, probe
from brain.online.learner import Learner
from brain.online.learning_copy import twin_of
from brain.online.learning_step import take_step
from brain.online.network_spec import BasedSpec, NetworkSpec, ternary_form
from brain.online.observing import activity_of
from brain.online.reading import Reader, continue_bytes, score_rows
from brain.online.recollecting import recall
from brain.online.remembering import RememberingReader
from brain.online.ternary_once import hold, while_held
from brain.packing import pack_within_share
from brain.ports import Base, Batch, BrainState, StepReport
from brain.tensors import copy_named, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import torch
    from torch import Tensor

    from brain.averaging.averages import Averages
    from brain.growth.operators import Growth
    from brain.growth.plan import Birth, GrowthPlan
    from brain.growth.signals import SiteProbe
    from brain.growth.site import Site
    from brain.memory.ports import Recollection
    from brain.memory.selection import Selection
    from brain.online.lanes import Lanes
    from brain.online.sequence_network import SequenceNetwork
    from brain.optim.config import OptimizerConfig
    from brain.optim.online_optimizer import OnlineOptimizer
    from brain.packing import Packed, SignsPerByte
    from brain.plasticity.lasting_plasticity import LastingPlasticity


Spec = TypeVar("Spec", bound=NetworkSpec)


class OnlineBrain(Generic[Spec]):
    """An online learner over one `NetworkSpec`: `Brain` and all optional protocols of `brain.ports`.

    A registered brain is a subclass that names its `architecture` and says what it is.
    """

    architecture: ClassVar[type[NetworkSpec]]
    spec: Spec

    def __init__(
        self, spec: Spec, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> None:
        self.device = device
        self._config, self._num_lanes = optimizer, lanes
        self._begin(spec, seed=seed)

    def _begin(self, spec: Spec, *, seed: int) -> None:
        """A fresh learner of this architecture; counters start at zero."""
        self.spec = spec
        self.learner = Learner(
            spec, optimizer=self._config, lanes=self._num_lanes, device=self.device, seed=seed
        )
        self.learner.freeze(spec.frozen_by_hand)
        self.module_names = self.network.module_names
        self.counters: dict[str, Any] = {
            "step": 0,
            "skipped": 0,
            "rate_scale": 1.0,
            "averaged": 0,
            "renewed": 0,
        }
        self._shown = False  # whether vital signs saw the units in this life
        self._base: Base | None = None  # described once, since hashing it takes time

    @classmethod
    def build(
        cls, config: Any, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> Self:
        """A newborn of `config`."""
        spec: Any = cls.architecture.initial(config)
        brain = cls(spec, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
        if isinstance(spec, BasedSpec):
            spec.load_base(brain.network)
        return brain

    @classmethod
    def from_spec(
        cls,
        spec: Mapping[str, Any],
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> Self:
        """A brain of a stored architecture, its tensors still to be loaded."""
        read: Any = cls.architecture.from_json(spec)
        return cls(read, optimizer=optimizer, lanes=lanes, device=device, seed=seed)

    # Its parts, as they are now: growth builds others.

    @property
    def network(self) -> SequenceNetwork:
        """What predicts."""
        return self.learner.network

    @property
    def optimizer(self) -> OnlineOptimizer:
        """What updates the weights."""
        return self.learner.optimizer

    @property
    def lanes(self) -> Lanes:
        """The carried state."""
        return self.learner.lanes

    @property
    def averages(self) -> Averages:
        """The slow weights."""
        return self.learner.averages

    @property
    def plasticity(self) -> LastingPlasticity:
        """What keeps units able to learn."""
        return self.learner.plasticity

    # Learning.

    def learn(self, batch: Batch) -> StepReport:
        """Score the batch, then learn from it; if loss or gradient is not finite only `skipped` changes.

        In one step of every few, replayed rows also learn from the average that is surer of them.
        """
        return self._step(batch)

    def dream(self, batch: Batch, *, rate_factor: float) -> StepReport:
        """One step of sleep, at a share of the rate: every row also learns from the stable average."""
        return self._step(batch, rate_factor=rate_factor, asleep=True)

    def _step(self, batch: Batch, *, rate_factor: float = 1.0, asleep: bool = False) -> StepReport:
        report = take_step(
            self.learner,
            self.counters,
            batch,
            rate_factor=rate_factor,
            asleep=asleep,
            show_units=not self._shown,
        )
        self._shown = True
        return report

    @property
    def has_slow_weights(self) -> bool:
        """False when averaging is switched off."""
        return bool(self.averages)

    def stable_weights(self) -> AbstractContextManager[None]:
        """Score and generate with the stable average meanwhile; learning must wait."""
        return self.averages.swapped_in("stable")

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply every rate from the next step on; 0 stops learning for good, renewal and drawing back too."""
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"a learning rate is scaled by a finite factor of at least 0, not {factor}")
        self.counters["rate_scale"] *= factor

    def freeze(self, prefix: str, *, frozen: bool = True) -> tuple[str, ...]:
        """Stop (or resume) learning every weight whose name begins with `prefix`; returns their names.

        It is part of the spec, so a restart keeps it. What a column has frozen stays frozen.
        """
        names = tuple(name for name, _ in self.network.named_parameters() if name.startswith(prefix))
        before = set(self.spec.frozen_by_hand)
        self._freeze(before.union(names) if frozen else before.difference(names))
        return names

    def _freeze(self, names: set[str]) -> None:
        self.spec = self.spec.with_frozen(tuple(sorted(names)))
        self.learner.freeze(self.spec.frozen_by_hand)

    def forget(self, selection: Selection, *, dry_run: bool = False) -> Forgotten | None:
        """Forget on purpose: erase the selection from the hippocampus, and reset the lanes; weights stay."""
        for carried in () if dry_run else self.lanes.tensors().values():
            carried.zero_()
        if self.learner.hippocampus is None:
            return None
        erased = self.learner.hippocampus.forget(selection, dry_run=dry_run)
        return Forgotten(num_bytes=erased.num_bytes, num_contexts=erased.num_buckets, emptied=erased.emptied)

    # Reading without learning.

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Summed nats of each row (B,), float64 on the CPU, read from a reset state; changes nothing."""
        rows, mask = rows.to(self.device), mask.to(self.device)
        return score_rows(self.reader(len(rows)), rows, mask).cpu()

    @property
    def remembers(self) -> bool:
        """False without a hippocampus."""
        return self.learner.hippocampus is not None

    def score_both(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`score` and `score_remembering`, in one pass. Changes nothing."""
        if self.learner.hippocampus is None:
            alone = self.score(rows, mask)
            return alone, alone.clone()
        reader = RememberingReader(self.reader(len(rows)), self.learner.hippocampus)
        return reader.score(rows.to(self.device), mask.to(self.device))

    def score_remembering(self, rows: Tensor, mask: Tensor) -> Tensor:
        """As `score`, mixed with what the hippocampus knows; without one the same. Changes nothing."""
        return self.score_both(rows, mask)[1]

    def recall(self, context: bytes, *, max_bytes: int) -> Recollection:
        """What the hippocampus knows of a context, see `brain.online.recollecting`; changes nothing."""
        if self.learner.hippocampus is None or not context:
            raise ValueError("recall needs a brain with a hippocampus, and a context")
        return recall(self.reader(1), self.learner.hippocampus, context, max_bytes=max_bytes)

    def generate(
        self,
        prompt: bytes,
        *,
        max_bytes: int,
        temperature: float,
        top_p: float,
        generator: torch.Generator,
        top_k: int = 0,
    ) -> Iterator[bytes]:
        """Continue `prompt` unit by unit in constant memory; changes nothing, draws only from `generator`."""
        if temperature < 0 or not 0 < top_p <= 1 or max_bytes < 0 or top_k < 0:
            raise ValueError("generate needs temperature, top_k and max_bytes >= 0, and 0 < top_p <= 1")
        memory, reader = self.learner.hippocampus, self.reader(1)
        pieces = continue_bytes(
            reader if memory is None else RememberingReader(reader, memory),
            prompt,
            max_bytes=max_bytes,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
            top_k=top_k,
        )
        return while_held(self.network, reader.dtype, pieces) if self.spec.ternary else pieces

    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        """Activity of each module over uint8 rows (B, T) from a reset state, nudges included.

        Shapes: float32 (B, S, d) each. Runs in float32 whatever the precision of learning, so that small
        perturbations are not lost in rounding.
        """
        return activity_of(self.network, self.learner.codec, rows.to(self.device), inject or {})

    def sever(self) -> None:
        """Cut every wire between modules: each reads the input alone, and all still add to the logits."""
        self.network.severed = True

    def reader(self, rows: int) -> Reader:
        """A reader of `rows` rows, all in the reset state; the brain itself is only looked at."""
        return Reader(self.network, self.learner.codec, rows, device=self.device, dtype=self.learner.dtype)

    def pack(self, weights: Mapping[str, Tensor], *, per_byte: SignsPerByte) -> Packed:
        """Weights by name, packed in few bits; the spec is ternary."""
        return pack_within_share(self.network, weights, per_byte=per_byte)

    def hold_ternary(self) -> None:
        """Make the matrices of a ternary brain ternary once; its weights do not change any more."""
        if self.spec.ternary:
            hold(self.network, self.learner.dtype)

    # Growth.

    def sites(self) -> Mapping[str, Site]:
        """Where units can be born, from input to output."""
        return self.learner.sites

    def next_column(self) -> Birth | None:
        """What a column beside all that is there would bring and freeze; None where none can be born."""
        return self.spec.next_column()

    def grow(self, plan: GrowthPlan) -> Growth:
        """Grow as planned, without a change of the output; tensors named after parameters can follow."""
        return grow(self, plan)

    def rebuild(self, spec: Mapping[str, Any]) -> None:
        """Take on another architecture, its tensors still to be loaded; counters start at zero."""
        # What has become ternary stays so, also where it goes back to a time before that.
        self._begin(type(self.spec).from_json(ternary_form(spec) if self.spec.ternary else spec), seed=0)

    def grown_into(self, spec: Spec, *, seed: int) -> Self:
        """A fresh brain of another architecture that learns as this one does."""
        return type(self)(spec, optimizer=self._config, lanes=self._num_lanes, device=self.device, seed=seed)

    def become(self, other: OnlineBrain[Spec]) -> None:
        """Take over the parts of the other, which has this brain's lanes and settings."""
        self.spec, self.learner, self.module_names = other.spec, other.learner, other.module_names
        self.counters, self._shown, self._base = other.counters, other._shown, other._base

    def probe_sites(self, batch: Batch, generator: torch.Generator) -> Mapping[str, SiteProbe]:
        """How each site fares on the live rows of a batch, read from a reset state; changes nothing."""
        return probe(self.learner, batch, generator)

    def twin(self, state: BrainState | None = None) -> OnlineBrain[Any]:
        """A copy that learns by itself, without the hippocampus; or that which was stored so."""
        return twin_of(self, state)

    # What survives a restart.

    def state(self) -> BrainState:
        """References to weights, moments and carried state, no copies."""
        return BrainState(
            model=self.learner.weights(),
            learning=self.learner.tensors(),
            counters=dict(self.counters),
            spec=self.spec.to_json(),
            base=self._described_base(),
            tables=self.learner.tables(),
        )

    def _described_base(self) -> Base | None:
        if isinstance(self.spec, BasedSpec) and self._base is None:
            tensors = self.learner.base()
            identity, revision = self.spec.base_source()
            self._base = Base(id=identity, revision=revision, sha256=sha256_of(tensors), tensors=tensors)
        return self._base

    def adopt(self, stored: BrainState) -> tuple[BrainState, tuple[str, ...]]:
        """A stored state made to fit this brain, and in words what starts over; see `brain.online.adopting`."""
        return adopted(stored, self.state())

    def load(self, state: BrainState) -> None:
        """Take over a state of this architecture, into the tensors that are already here.

        Raises:
            SpecMismatchError: naming the first tensor that is missing, superfluous or of another shape; then
                nothing was changed.
        """
        groups = [
            ("model", state.model, self.learner.weights()),
            ("learning", state.learning, self.learner.tensors()),
        ]
        base = self.learner.base()
        if base:
            groups.append(("base", {} if state.base is None else state.base.tensors, base))
        counters = dict(state.counters)
        # Once they were among the counters.
        frozen = {str(name) for name in (*state.spec.get("frozen", ()), *counters.pop("frozen", ()))}
        if strange := sorted(frozen - dict(self.network.named_parameters()).keys()):
            raise SpecMismatchError(f"frozen weight {strange[0]} has no place in this brain")
        if self.learner.hippocampus is not None:
            self.learner.hippocampus.check(state.learning)
        copy_named(groups)
        if state.base is not None and base:
            self._base = replace(state.base, tensors=base)  # described already: hashing it takes time
        self.counters.update(counters)
        self._freeze(frozen)

    def num_parameters(self) -> int:
        """Trainable scalars."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def num_neurons(self) -> int:
        """Hidden units of the growth sites."""
        return self.learner.num_neurons
