"""Reading a text once: every byte in its place and scored once, beside compressors of the same text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from benchmarks import compressors
from benchmarks.compressors import compress
from benchmarks.learning import Reading, batches, judge, judge_both
from daemon.config.loading import resolve_config

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b"the %d quick brown foxes\n" % number for number in range(40))


def test_every_byte_is_read_once_and_in_order() -> None:
    read = [bytearray() for _ in range(4)]
    for step, batch in enumerate(batches(TEXT, 4, 64)):
        assert batch.reset.tolist() == [step == 0] * 4
        for place, (row, mask) in enumerate(zip(batch.bytes, batch.mask, strict=True)):
            read[place] += bytes(row[mask].tolist())
    assert b"".join(read) == TEXT


def test_the_figure_is_over_all_bytes_and_the_last_steps_stand_apart() -> None:
    reading = Reading(nats=[64 * math.log(256), 32 * math.log(2)], num_bytes=[64, 32])
    assert reading.bpc() == pytest.approx((64 * 8 + 32) / 96)
    assert reading.bpc(-1) == pytest.approx(1.0)
    assert reading.cumulative() == pytest.approx([8.0, reading.bpc()])


def test_a_compressor_that_is_not_installed_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, skipped = compress(TEXT)
    assert set(found) == {"xz -9e", "PPMd order 12"}
    assert "apt install zpaq" in skipped["zpaq -m5"]
    assert 0.0 < found["PPMd order 12"].bpc < found["xz -9e"].bpc < 8.0


def test_the_brain_is_judged_beside_compressors_of_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressors, "COMPRESSORS", {"half": lambda text: len(text) // 2})
    config = resolve_config(preset="tiny", environ={})
    whole, last, cpu, pace = judge("learning", TEXT, config, long=False)
    assert whole.peers == {"half": 4.0}
    assert whole.target == "≤ 1 × best peer"
    assert 4.0 < whole.ours < 8.5
    assert not whole.holds
    assert whole.details["steps"] == 4  # of 8 × 32 bytes
    assert last.peers == {}
    assert last.measures.startswith("prequential BPC of the last 200 of 4 steps alone")
    assert (cpu.name, pace.name) == ("learning.cpu", "learning.pace")


def test_with_the_exact_memory_the_network_alone_costs_what_it_costs_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compressors, "COMPRESSORS", {"half": lambda text: len(text) // 2})
    remembering = resolve_config(preset="tiny", overrides={"brain.hippocampus_mib": 20}, environ={})
    alone, both = judge_both("learning.first", TEXT, remembering, long=False)
    without = judge("learning", TEXT, resolve_config(preset="tiny", environ={}), long=False)[0]
    assert alone.ours == without.ours
    assert both.name == "learning.first.with_memory"
    assert 0.5 < both.ours < 0.6 * alone.ours
    assert both.peers == alone.peers == {"half": 4.0}
