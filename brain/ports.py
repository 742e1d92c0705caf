"""The seams of the brain room: what flows into a brain, what comes out, and what other rooms may ask of it.

Shapes: B rows of a batch, T bytes of a row, L lanes, N scored positions, D width of the reported state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from torch import Tensor


CARRIED = "carried|"
"""What the names of carried tensors begin with in `BrainState.learning`."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Experience for one step. Every valid byte is predicted from all that came before it in its row's lane.

    Attributes:
        bytes: uint8 (B, T).
        mask: bool (B, T), False behind the end of a document; padding is neither scored nor learned.
        lane: int64 (B,), the lane whose carried state the row continues; -1 marks a replayed row, which starts
            from a reset state and leaves none behind.
        reset: bool (B,), True where the lane's state must be reset before the row (a jump in the text).
        source: int64 (B,), index of the source the row was read from.
        step: of the run, by which what is remembered of the rows is dated.
    """

    bytes: Tensor
    mask: Tensor
    lane: Tensor
    reset: Tensor
    source: Tensor
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one call of `learn` saw and did. Losses are in nats per byte, taken before the update (prequential).

    Attributes:
        loss: mean over the valid bytes of live rows.
        replay_loss: mean over the valid bytes of replayed rows; None without any.
        num_bytes: valid bytes of live rows.
        row_loss: (B,) mean nats per valid byte of each row (nan for an empty row), detached, on the CPU.
        grad_norm: total norm before clipping.
        learning_rate: rate of this step.
        applied: False when the loss or gradient was not finite; then nothing was changed: no weight, no moment,
            no carried state. What its rows' lanes read next must be marked `reset`: it follows on nothing they kept.
        row_mixed_loss: (B,) the same with an exact memory, nan for a row that it did not read; None without one.
        row_reliance: (B,) how much of the evidence for a row came from it, from 0 to 1; nan and None likewise.
        metrics: further numbers of this brain, by name.
        evidence: named tensors for vital signs, detached: `confidence` (N,) top probability, `correct` (N,) bool,
            `state` / `next_state` / `predicted_state` (N, D) for self-prediction; now and then `units|<site>`
            (N, H), activations of the hidden units of a growth site.
    """

    loss: float
    replay_loss: float | None
    num_bytes: int
    row_loss: Tensor
    grad_norm: float
    learning_rate: float
    applied: bool
    row_mixed_loss: Tensor | None = None
    row_reliance: Tensor | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Base:
    """Weights that come from elsewhere and never change: stored once, not in every checkpoint.

    Attributes:
        id: what they are called where they come from.
        revision: which version of them.
        sha256: over names, types, shapes and bytes; see `brain.tensors.sha256_of`.
        tensors: by the names of the brain's parameters.
    """

    id: str
    revision: str
    sha256: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class BrainState:
    """All of a brain that survives a restart.

    Attributes:
        model: learned weights and buffers, by name; what inference needs.
        learning: optimizer moments as `<parameter name>|<moment>`, slow weights as
            `average|<which>|<parameter name>`, first weights as `start|<parameter name>`, what is known of
            hidden units as `plasticity|<name>` and carried state as `carried|<name>`.
        counters: JSON-able scalars: optimizer step, skipped steps, rate scale.
        spec: JSON-able architecture: kind, config, growth so far, and `frozen`, the names of weights that were frozen
            by hand; rebuilt from it before tensors load.
        tied: groups of tensor names that share storage.
        base: weights that are in neither of these because they never change; None without any.
        tables: names in `learning` of large tables of low entropy, worth compressing where they are stored.
    """

    model: Mapping[str, Tensor]
    learning: Mapping[str, Tensor]
    counters: Mapping[str, Any]
    spec: Mapping[str, Any]
    tied: tuple[tuple[str, ...], ...] = ()
    base: Base | None = None
    tables: frozenset[str] = frozenset()


class Brain(Protocol):
    """A model that learns online. Built by `build(config, optimizer=…, lanes=…, device=…, seed=…)` in brain.build."""

    def learn(self, batch: Batch) -> StepReport:
        """Score the batch, then learn from it."""

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Summed nats of each row, (B,), for uint8 rows (B, T) read from a reset state; changes nothing."""

    def generate(
        self, prompt: bytes, *, max_bytes: int, temperature: float, top_p: float, generator: torch.Generator,
        top_k: int = 0,
    ) -> Iterator[bytes]:  # fmt: skip
        """Continue `prompt` in constant memory, a unit of the brain at a time; draws only from `generator`.

        From the likeliest units that make up the share `top_p`, at most `top_k` of them if that is not 0.
        """

    def state(self) -> BrainState:
        """References to the live tensors (no copies), and the counters."""

    def adopt(self, stored: BrainState) -> tuple[BrainState, tuple[str, ...]]:
        """A stored state of this architecture made to fit, and in words what of it starts over; changes nothing.

        What a brain keeps beside its weights differs with the settings it learns by.
        """

    def load(self, state: BrainState) -> None:
        """Take over a state whose spec is this brain's.

        Raises:
            SpecMismatchError: when a tensor is missing, superfluous or of another shape.
        """

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the rate from now on (recovery, settings); kept in the counters.

        At 0 `learn` continues reading and scoring, but nothing that was learned changes any more.
        """

    def num_parameters(self) -> int:
        """Trainable scalars."""

    def num_neurons(self) -> int:
        """Hidden units of the growth sites."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One decision of an acting brain: which candidate it read next.

    Attributes:
        lane: the lane that chose; its row of the same moment is the first read because of it.
        candidates: how many there are, those that were not open to it just now included.
        chosen: index of the one it took among them; the same candidate has the same index in every choice.
        randomised: an ε-exploration choice, uniform over those offered; the only kind agency is scored on.
        offered: indices of those that were open to it; () means all.
    """

    lane: int
    candidates: int
    chosen: int
    randomised: bool
    offered: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What a vital sign is shown after a step; `training_seconds` is time spent learning so far."""

    step: int
    brain: Brain
    batch: Batch
    report: StepReport
    choices: tuple[Choice, ...] = ()
    training_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One measurement of a vital sign; `value` None means not available, and `reason` says why.

    Attributes:
        value: the estimate on its published scale, clipped for display.
        raw: the estimate before clipping.
        uncertainty: one standard error of `value`.
        samples: effective number of samples behind it.
        version: version of the definition (estimator, M, k, α …).
        cost_ms: wall time the measurement took.
        reason: why it is not available.
        detail: named companions (baselines, nats, coverage).
    """

    name: str
    value: float | None
    raw: float | None = None
    uncertainty: float | None = None
    samples: int = 0
    version: str = "1"
    cost_ms: float = 0.0
    reason: str | None = None
    detail: Mapping[str, float] = field(default_factory=dict)


class VitalSign(Protocol):
    """A vital sign over a live brain: it gathers evidence each step and measures when asked."""

    name: str
    definition: int
    version: str

    def observe(self, moment: Moment) -> None:
        """Gather evidence; must cost next to nothing."""

    def measure(self, moment: Moment) -> Reading:
        """Estimate from the evidence so far; probes run here. Draws only from generators of its own."""

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Windows and accumulators, to survive a restart."""

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the windows back."""
