"""A run that reads no label reports it, once, and each label that it has no room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from daemon.events import LabelsBeyond, LabelsMissing
from daemon.trainer.measures.label_watch import ENOUGH_RECORDS, LabelWatch

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Brain


class Labels:
    """What is looked at of a brain that learns labels."""

    def __init__(self) -> None:
        self.labels = ["a", "b"]
        self.max_labels = 2
        self.labels_beyond: list[str] = []

    def correct(self, rows: Tensor, mask: Tensor) -> Tensor:
        raise AssertionError("nothing is asked")


def watch_of(brain: object) -> LabelWatch:
    return LabelWatch(cast("Brain", brain))


def test_a_brain_that_reads_no_label_is_reported_once() -> None:
    watch = watch_of(Labels())
    assert watch.look({"examples": 0.0, "unlabelled": ENOUGH_RECORDS - 1.0}, 4) == []
    (found,) = watch.look({"examples": 0.0, "unlabelled": ENOUGH_RECORDS + 20.0}, 5)
    assert isinstance(found, LabelsMissing)
    assert (found.step, found.num_records, found.severity) == (5, ENOUGH_RECORDS + 20, "warning")
    assert watch.look({"examples": 0.0, "unlabelled": 500.0}, 6) == []


def test_one_label_is_enough_and_other_brains_are_not_asked() -> None:
    assert watch_of(object()).look({"examples": 0.0, "unlabelled": 5000.0}, 1) == []
    assert watch_of(Labels()).look({"examples": 1.0, "unlabelled": 5000.0}, 2) == []


def test_labels_beyond_the_room_for_them_are_named_once_with_the_setting() -> None:
    brain = Labels()
    watch = watch_of(brain)
    brain.labels_beyond += ["gamma", "delta"]
    (found,) = watch.look({}, 7)
    assert isinstance(found, LabelsBeyond)
    assert (found.severity, found.step) == ("warning", 7)
    assert "'gamma', 'delta'" in found.message
    assert "brain.max_labels is 2" in found.message
    assert watch.look({}, 8) == []
    brain.labels_beyond.append("eps")
    assert [event.step for event in watch.look({}, 9)] == [9]
