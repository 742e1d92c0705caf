"""What every live sign does when its estimate cannot be had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
import torch
from torch import Tensor

from brain.vitals.live_sign import LiveSign, NotMeasurableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Moment, Reading

TEXT = torch.arange(64, dtype=torch.uint8).reshape(1, 64)


class Failing(LiveSign):
    """A sign whose estimate raises."""

    name: ClassVar[str] = "failing"
    version = "1"

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def observe(self, moment: Moment) -> None:
        """Nothing to gather."""

    def _estimate(self, moment: Moment) -> Reading:
        raise self._error

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Nothing."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing."""


def moment() -> Moment:
    batch: Any = SimpleNamespace(bytes=TEXT, mask=torch.ones_like(TEXT, dtype=torch.bool))
    return cast("Moment", SimpleNamespace(batch=batch))


@pytest.mark.parametrize(
    "error", [RuntimeError("singular"), ValueError("no finite value"), ZeroDivisionError("by 0")]
)
def test_an_estimate_that_fails_is_not_available_and_reports_why(error: Exception) -> None:
    reading = Failing(error).measure(moment())
    assert reading.value is None
    assert reading.reason is not None
    assert str(error) in reading.reason
    assert dict(reading.detail) == {"failed": 1.0}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    ],
)
def test_too_little_memory_is_distinguished_from_other_failures(error: Exception) -> None:
    reading = Failing(error).measure(moment())
    assert reading.value is None
    assert str(reading.reason).startswith("not enough memory")
    assert dict(reading.detail) == {"out_of_memory": 1.0}


def test_what_is_not_available_is_no_failure() -> None:
    reading = Failing(NotMeasurableError("warming up", {"warming_up": 1.0})).measure(moment())
    assert (reading.value, reading.reason, dict(reading.detail)) == (None, "warming up", {"warming_up": 1.0})


@pytest.mark.parametrize("error", [TypeError("a fault of the program"), AssertionError(), KeyError("x")])
def test_a_fault_of_the_program_is_not_taken_for_a_failed_measurement(error: Exception) -> None:
    with pytest.raises(type(error)):
        Failing(error).measure(moment())


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(TypeError):
        Failing(TypeError("wrong")).measure(moment())
