"""A run that cannot be built ends with the reason, once; one that has learned before is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from brain.errors import SettingsError
from daemon.errors import UsageError
from daemon.trainer.session import building
from daemon.trainer_protocol import TrainerOrder

NEW_RUN = TrainerOrder(home=Path(), run_id="r-1", session=1, config={})
RESUMED = TrainerOrder(home=Path(), run_id="r-1", session=2, config={}, checkpoint=Path("continuous_1"))
NO_ROOM = RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [MemoryError(), OverflowError("too large"), ValueError("seed"), NO_ROOM])
def test_a_new_run_that_cannot_be_built_is_a_mistake_of_its_settings(error: Exception) -> None:
    with pytest.raises(UsageError, match="cannot be built with these settings") as failed, building(NEW_RUN):
        raise error
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("error", [MemoryError(), NO_ROOM])
def test_one_that_has_learned_before_is_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)), building(RESUMED):
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of our own"), SettingsError("a good message already")]
)
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as failed, building(NEW_RUN):
        raise error
    assert failed.value is error
