"""Whether a growth paid: the losses of a brain that grew beside those of its twin that did not; plain data."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = 20  # of the judged half
NUM_ERRORS = 2.0  # standard errors that a gain must be above zero


@dataclass(kw_only=True)
class Losses:
    """Summed losses of two learners on the same text, by block.

    Attributes:
        twin: nats of the one that did not grow.
        grown: nats of the other.
        num_bytes: that both were scored on.
    """

    twin: list[float] = field(default_factory=list)
    grown: list[float] = field(default_factory=list)
    num_bytes: list[int] = field(default_factory=list)

    def add(self, block: int, *, twin: float, grown: float, num_bytes: int) -> None:
        """A step of both; losses in nats per byte. Blocks come in order."""
        while len(self.twin) <= block:
            self.twin.append(0.0)
            self.grown.append(0.0)
            self.num_bytes.append(0)
        self.twin[block] += twin * num_bytes
        self.grown[block] += grown * num_bytes
        self.num_bytes[block] += num_bytes


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a growth.

    Attributes:
        paid: whether it is worth its neurons.
        gain: how far the loss lies below the promised one, as a share of that.
        noise: standard error of the gain over blocks.
        least: gain that would pay.
        promised_bpc: loss of the twin over the judged steps, in bits per byte.
        bpc: loss of the brain that grew, over the same bytes.
    """

    paid: bool
    gain: float
    noise: float
    least: float
    promised_bpc: float
    bpc: float


def judge(losses: Losses, *, least: float) -> Verdict | None:
    """The verdict on a growth of which a gain of `least` is asked; None with too little text.

    >>> even = Losses(twin=[2.0, 2.0], grown=[1.9, 1.9], num_bytes=[1, 1])
    >>> verdict = judge(even, least=0.01)
    >>> verdict.paid, round(verdict.gain, 3), verdict.noise
    (True, 0.05, 0.0)
    """
    read = [index for index, count in enumerate(losses.num_bytes) if count]
    promised = math.fsum(losses.twin)
    if len(read) < 2 or promised <= 0.0:
        return None
    num_bytes = sum(losses.num_bytes)
    gain = math.fsum(_differences(losses, read)) / promised
    # Each block as if it were the whole: the scatter of their mean is that of the gain.
    scatter = statistics.stdev(
        difference * num_bytes / losses.num_bytes[index]
        for index, difference in zip(read, _differences(losses, read), strict=True)
    )
    noise = scatter / promised / math.sqrt(len(read))
    return Verdict(
        paid=gain >= least and gain > NUM_ERRORS * noise,
        gain=gain,
        noise=noise,
        least=least,
        promised_bpc=promised / num_bytes / math.log(2),
        bpc=math.fsum(losses.grown) / num_bytes / math.log(2),
    )


def _differences(losses: Losses, read: Sequence[int]) -> list[float]:
    return [losses.twin[index] - losses.grown[index] for index in read]
