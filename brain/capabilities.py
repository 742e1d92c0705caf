"""What some kinds of brain can do beyond learning and generating: each a protocol, asked for by `isinstance`.

It uses neither torch nor numpy at run time, so that any process may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from brain.ports import Brain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    from brain.ports import Batch, BrainState, StepReport


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
class Twinned(Protocol):
    """A brain that gives a copy of itself which learns beside it; a growth is judged against one."""

    def twin(self, state: BrainState | None = None) -> Brain:
        """A copy of the network and all that learns with it, or such a copy as it was stored.

        An exact memory is left out: the network does not learn from it. Nothing is shared with this brain, and the
        global random state stays as it is.

        Raises:
            SpecMismatchError: the stored state does not fit.
        """


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
        """Forget a selection, and all that is carried from row to row; with `dry_run` nothing changes.

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
        """Make its matrices, if they are ternary, so once, not in each pass; its weights must not change any more."""


@runtime_checkable
class Thinking(Protocol):
    """A brain that may take steps of thinking between what it reads and what it predicts."""

    @property
    def thinking_steps(self) -> int:
        """Steps that it takes now."""

    @property
    def most_thinking_steps(self) -> int | None:
        """Steps that it can take; 0 where its settings leave thinking out, None: any number."""

    def think(self, steps: int) -> None:
        """Think for this many steps from now on; at most `most_thinking_steps`."""

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
        max_labels: how many it has room for.
        labels_beyond: the first of those it met and has no room for, in this process.
    """

    labels: list[str]
    max_labels: int
    labels_beyond: list[str]

    def correct(self, rows: Tensor, mask: Tensor) -> Tensor:
        """1 for each row whose label is predicted, 0 for another label, nan for a row without one.

        Shapes: uint8 rows (B, T), bool mask (B, T), the result (B,) float64 on the CPU. Changes nothing.
        """
