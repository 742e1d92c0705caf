"""A run that reads no label reports it, once."""

from __future__ import annotations

from daemon.trainer.measures.label_watch import ENOUGH_RECORDS, LabelWatch


def test_a_brain_that_reads_no_label_is_reported_once() -> None:
    watch = LabelWatch()
    assert watch.look({"examples": 0.0, "unlabelled": ENOUGH_RECORDS - 1.0}, 4) is None
    found = watch.look({"examples": 0.0, "unlabelled": ENOUGH_RECORDS + 20.0}, 5)
    assert found is not None
    assert (found.step, found.num_records, found.severity) == (5, ENOUGH_RECORDS + 20, "warning")
    assert watch.look({"examples": 0.0, "unlabelled": 500.0}, 6) is None


def test_one_label_is_enough_and_other_brains_are_not_asked() -> None:
    watch = LabelWatch()
    assert watch.look({}, 1) is None
    assert watch.look({"examples": 1.0, "unlabelled": 5000.0}, 2) is None
