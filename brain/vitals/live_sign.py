"""What every live vital sign shares: a timed measurement that yields a value or the reason why there is none."""

from __future__ import annotations

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from brain.errors import BrainError
from brain.ports import Moment, Reading

if TYPE_CHECKING:
    from torch import Tensor

Clock = Callable[[], float]

FAILED, OUT_OF_MEMORY = "failed", "out_of_memory"
"""What the detail of a reading holds (as 1) when its computation broke: then `reason` is an error, not a condition."""

UNSUPPORTED = "unsupported"
"""What the detail of a reading holds (as 1) when this kind of brain lacks what is measured; `reason` says what."""

WARMING_UP = "warming_up"
"""What the detail of a reading holds (as 1) when more of the same experience is all that is missing."""

_OUT_OF_MEMORY_PHRASES = ("out of memory", "not enough memory", "can't allocate memory")
_CONSTANT_SHARE = 0.999  # of one byte value among all: no experience to speak of


class NotMeasurableError(BrainError):
    """A vital sign cannot be measured now; the message is the reason shown, `detail` goes with it."""

    def __init__(self, reason: str, detail: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.detail = dict(detail or {})


class UnsupportedError(NotMeasurableError):
    """A vital sign cannot be measured in this kind of brain, now or later; the message says what the brain lacks."""

    def __init__(self, reason: str, detail: Mapping[str, float] | None = None) -> None:
        super().__init__(reason, {**(detail or {}), UNSUPPORTED: 1.0})


class WarmingUpError(NotMeasurableError):
    """Too little was gathered yet, and each step adds to it; the message says how much of how much."""

    def __init__(self, reason: str, detail: Mapping[str, float] | None = None) -> None:
        super().__init__(reason, {**(detail or {}), WARMING_UP: 1.0})


def is_constant(values: Tensor) -> bool:
    """Whether uint8 values, of any shape, are one byte over and over."""
    counts = torch.bincount(values.flatten().long(), minlength=256)
    return float(counts.max()) >= _CONSTANT_SHARE * values.numel()


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was no memory for something, on the host or on a device.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in _OUT_OF_MEMORY_PHRASES)


def require_experience(moment: Moment) -> None:
    """Refuse to measure over a batch that is one byte over and over.

    Raises:
        NotMeasurableError: it is.
    """
    if is_constant(moment.batch.bytes[moment.batch.mask]):
        raise NotMeasurableError("the input is constant: without experience there is nothing to measure")


class LiveSign(ABC):
    """A vital sign over a live brain; subclasses gather in `observe` and estimate in `_estimate`."""

    name: ClassVar[str]
    definition: ClassVar[int] = 1  # changed when new values cannot be compared with earlier ones
    version: str  # the definition, and the settings that a value depends on

    def __init__(self, *, clock: Clock = time.perf_counter) -> None:
        self._clock = clock

    @abstractmethod
    def observe(self, moment: Moment) -> None:
        """Gather evidence; must cost next to nothing."""

    @abstractmethod
    def _estimate(self, moment: Moment) -> Reading:
        """A reading without its cost.

        Raises:
            NotMeasurableError: with the reason to show.
        """

    @abstractmethod
    def state_tensors(self) -> Mapping[str, Tensor]:
        """Windows and accumulators, to survive a restart."""

    @abstractmethod
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the windows back."""

    def measure(self, moment: Moment) -> Reading:
        """Estimate from the evidence so far, or give the reason why that cannot be done.

        While the input is constant nothing is available: what a window still holds is about other input. What
        watches a brain must not end its learning, so a computation that breaks (a solver that does not settle, a
        device that refuses, memory that is not there) gives a reading without a value, too; but `FAILED` in its
        detail, or `OUT_OF_MEMORY`, marks it off from one that is not available.
        """
        began = self._clock()
        try:
            require_experience(moment)
            reading = self._estimate(moment)
        except NotMeasurableError as problem:
            reading = Reading(
                name=self.name, value=None, version=self.version, reason=str(problem), detail=problem.detail
            )
        except (ArithmeticError, RuntimeError, ValueError, MemoryError) as error:
            reading = self._broken(error)
        if reading.value is not None and not math.isfinite(reading.value):
            reading = dataclasses.replace(reading, value=None, reason="the estimate is not finite")
        return dataclasses.replace(reading, cost_ms=(self._clock() - began) * 1e3)

    def _broken(self, error: Exception) -> Reading:
        what = f"{type(error).__name__}: {error}"
        if is_out_of_memory(error):
            reason, kind = f"not enough memory: {what}", OUT_OF_MEMORY
        else:
            reason, kind = f"the measurement failed: {what}", FAILED
        return Reading(name=self.name, value=None, version=self.version, reason=reason, detail={kind: 1.0})

    def _reading(
        self,
        raw: float,
        *,
        uncertainty: float,
        samples: float,
        detail: Mapping[str, float],
        value: float | None = None,
    ) -> Reading:
        """A reading whose value is `raw` clipped to [0, 1] unless given; an undefined uncertainty is none."""
        return Reading(
            name=self.name,
            value=min(1.0, max(0.0, raw)) if value is None else value,
            raw=raw,
            uncertainty=uncertainty if math.isfinite(uncertainty) else None,
            samples=int(samples),
            version=self.version,
            detail={name: number for name, number in detail.items() if math.isfinite(number)},
        )
