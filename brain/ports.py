"""The seams of the brain room: what flows into a brain, what comes out, and what other rooms may ask of it.

Shapes: B rows of a batch, T bytes of a row, L lanes, N scored positions, D width of the reported state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch
    from torch import Tensor

    from brain.growth.operators import Growth
    from brain.growth.plan import Birth, GrowthPlan
    from brain.growth.signals import SiteProbe
    from brain.growth.site import Site
    from brain.memory.selection import Selection
    from brain.online.reading import Continuing
    from brain.packing import Packed, SignsPerByte

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


@runtime_checkable
class Observable(Protocol):
    """A brain whose modules can be watched and nudged; Φ and integration need it."""

    module_names: tuple[str, ...]

    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        """Activity of each module over uint8 rows (B, T) from a reset state: name → float32 (B, T, d_m).

        `inject` adds (B, T, d_m) to a module's output before anything downstream reads it; the activity returned
        includes it. Learns nothing, changes nothing.
        """


@runtime_checkable
class Growable(Protocol):
    """A brain that can grow without a change of its output."""

    def sites(self) -> Mapping[str, Site]:
        """Where units can be born, from input to output."""

    def grow(self, plan: GrowthPlan) -> Growth:
        """Grow as planned; weights, moments, carried state and spec follow.

        The result lets tensors of others follow that are named after parameters. Call it through
        `brain.growth.apply.apply_growth`.
        """

    def rebuild(self, spec: Mapping[str, Any]) -> None:
        """Take on the architecture of a stored spec, its tensors still to be loaded."""

    def probe_sites(self, batch: Batch, generator: torch.Generator) -> Mapping[str, SiteProbe]:
        """How each site fares on a batch; changes nothing, draws only from `generator`."""


@runtime_checkable
class Columnar(Protocol):
    """A growable brain beside which a whole column can be born; all that was there before is frozen then."""

    def next_column(self) -> Birth | None:
        """What the next column would bring, and what it would freeze; None where none can be born."""


@runtime_checkable
class Severable(Protocol):
    """A brain whose modules can be cut off from each other: the null control that shows what wires carry."""

    def sever(self) -> None:
        """Cut every wire between modules permanently; meant for a copy."""


@runtime_checkable
class Sleeper(Protocol):
    """A brain with averaged weights, which teach it in sleep and may be used in place of the fast ones."""

    @property
    def has_slow_weights(self) -> bool:
        """False when averaging is switched off."""

    def dream(self, batch: Batch, *, rate_factor: float) -> StepReport:
        """One step of sleep: learn replayed rows at a share of the rate, taught by the stable average."""

    def stable_weights(self) -> AbstractContextManager[None]:
        """Score and generate with the stable average meanwhile; learning must wait."""


class RowReader(Protocol):
    """R rows read side by side, each from a state of its own; the brain itself is only looked at.

    A unit is what the brain gives one distribution for: a byte, or a token of a vocabulary of V.
    """

    def read(self, rows: Tensor) -> Tensor:
        """Continue with uint8 rows (R, T); the logits (R, S, V) are those before each unit was seen."""

    def predict(self) -> Tensor:
        """Logits (R, V) of the unit to come; `accept` follows."""

    def accept(self, unit: Tensor) -> None:
        """Continue with int64 units (R,) after `predict`."""

    def fork(self, rows: Tensor) -> RowReader:
        """A reader of its own whose row i continues from row rows[i] of this one; rows is int64 (R′,)."""


@runtime_checkable
class Steerable(Protocol):
    """A brain that can be given one byte or another as its own and continue from there; `agency_self` needs it."""

    def reader(self, rows: int) -> RowReader:
        """A reader of R rows, all in the reset state."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What the exact memory of a brain gave up.

    Attributes:
        num_bytes: of text that it kept word for word.
        num_contexts: places in it that knew what followed on some of it.
        emptied: the exact memory was given up as a whole, since what was meant can no longer be told from the rest.
    """

    num_bytes: int = 0
    num_contexts: int = 0
    emptied: bool = False


@runtime_checkable
class Forgetful(Protocol):
    """A brain that can forget on purpose what it keeps beside its weights; these it cannot."""

    def forget(self, selection: Selection, *, dry_run: bool = False) -> Forgotten | None:
        """Forget what is meant, and all that is carried from row to row; with `dry_run` nothing changes.

        Returns:
            What the exact memory gave up; None of a brain without one.
        """


@runtime_checkable
class Packable(Brain, Protocol):
    """A brain whose weights can be packed in few bits once its spec is ternary."""

    def reader(self, rows: int) -> Continuing:
        """A reader of R rows of the network alone, without any memory, all in the reset state."""

    def pack(self, weights: Mapping[str, Tensor], *, per_byte: SignsPerByte) -> Packed:
        """Weights by name, packed; see `brain.packing.pack_within_share`."""

    def hold_ternary(self) -> None:
        """Make its matrices ternary once, not in each pass; its weights must not change any more."""


@runtime_checkable
class Thinking(Protocol):
    """A brain that may take steps of thinking between what it reads and what it predicts."""

    @property
    def thinks(self) -> bool:
        """False where its settings leave thinking out."""

    def inspect_thinking(self, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        """JSON values of what each step brings on uint8 rows (B, T) and bool masks of their bytes; changes nothing.

        Raises:
            SettingsError: it takes no steps.
        """


@runtime_checkable
class Answering(Protocol):
    """A brain that answers a prompt, where others continue it: what it generates is no part of the same text."""

    def confidence(self, prompt: bytes) -> float | None:
        """Probability of what `generate` answers to `prompt`; None where it has no answer yet. Changes nothing."""


@runtime_checkable
class Labelling(Protocol):
    """A brain that predicts labels: of held-out examples it is known whether it is right, not only what that costs.

    Attributes:
        labels: those it knows, in the order of its outputs.
    """

    labels: list[str]

    def correct(self, rows: Tensor, mask: Tensor) -> Tensor:
        """1 for each row whose label is predicted, 0 for another label, nan for a row without one.

        Shapes: uint8 rows (B, T), bool mask (B, T), the result (B,) float64 on the CPU. Changes nothing.
        """


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
