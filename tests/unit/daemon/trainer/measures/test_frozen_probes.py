"""Probes: frozen rows, scored in turn, and what survives a restart."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from brain.sleep.config import ForgettingConfig
from daemon.streams.holdout import HeldDocument, HeldOutSet, HoldOut
from daemon.trainer.measures.frozen_probes import Probe, Probes, better_of_stored
from daemon.trainer.measures.slow_weights import FAST, STABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.ports import Brain
    from daemon.streams.stream import ExperienceStream

CONFIG = ForgettingConfig(rows=4, row_bytes=64, every_steps=5, slice_rows=2, smoothing=0.0)


def held_out(seed: int, *, size: int = 1 << 20) -> HeldOutSet:
    text = np.random.default_rng(seed).integers(97, 123, size, dtype=np.uint8).tobytes()
    return HeldOutSet(
        HoldOut.of(0.01),
        [HeldDocument("book", size)],
        lambda _, offset, count: text[offset : offset + count],
        fingerprint=f"f{seed}",
    )


@dataclass
class FakeSource:
    name: str


@dataclass
class FakeStream:
    """Two sources; the second has nothing held out."""

    sets: list[HeldOutSet]

    @property
    def sources(self) -> list[FakeSource]:
        return [FakeSource(f"source{index}") for index in range(len(self.sets))]

    def held_out(self, index: int) -> HeldOutSet:
        return self.sets[index]


@dataclass
class FakeBrain:
    """Gives every byte the same loss: 1 bit by the fast weights, `stable` by the stable ones."""

    bits: float = 1.0
    stable: float = 2.0
    calls: list[int] = field(default_factory=list)
    has_slow_weights: bool = True
    _swapped: bool = False

    def score(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(rows))
        bits = self.stable if self._swapped else self.bits
        return mask.sum(dim=1).double() * bits * math.log(2)

    def dream(self, batch: Any, *, rate_factor: float) -> Any:
        raise NotImplementedError

    @contextlib.contextmanager
    def stable_weights(self) -> Iterator[None]:
        self._swapped = True
        yield
        self._swapped = False


def probes(*seeds: int) -> Probes:
    return probes_of(*map(held_out, seeds))


def probes_of(*sets: HeldOutSet) -> Probes:
    stream = cast("ExperienceStream", FakeStream(list(sets)))
    return Probes(CONFIG, stream, device=torch.device("cpu"))


def test_a_probe_is_spread_over_the_held_out_set_and_repeats_nothing() -> None:
    probe = Probe.of(held_out(1), 8, 1024)
    assert probe is not None
    assert probe.rows.shape == (8, 1024)
    assert len({row.tobytes() for row in probe.rows}) == 8
    assert probe.fingerprint == "f1"
    blocks = [held_out(1).read(index)[0] for index in range(len(held_out(1)))]
    from_block = [[row.tobytes() in block for block in blocks].index(True) for row in probe.rows]
    assert np.bincount(from_block, minlength=len(blocks)).tolist() == [3, 3, 2]


@pytest.mark.parametrize("size", [0, 100])
def test_of_a_source_without_a_held_out_block_there_is_no_probe(size: int) -> None:
    assert len(held_out(1, size=size)) == 0
    assert Probe.of(held_out(1, size=size), 8, 1024) is None


def test_slices_take_turns_and_every_source_is_followed_once_it_is_through() -> None:
    both = probes(1, 2)
    brain = cast("Brain", FakeBrain())
    both.learned_from([0])
    assert [both.score_slice(brain) for _ in range(4)] == [[], ["source0"], [], ["source0", "source1"]]
    assert both.forgetting().mean == 0.0
    assert both.tracks["source1"].forgetting is None  # never learned from
    for _ in range(4):
        both.score_slice(cast("Brain", FakeBrain(bits=1.5)))
    assert both.forgetting().mean == pytest.approx(0.5)
    assert both.forgetting().worst == pytest.approx(0.5)


def test_the_better_weights_are_those_with_the_lower_probe_loss() -> None:
    one = probes(1)
    assert one.better() == "fast"  # nothing is known yet
    assert better_of_stored({}, {}) == better_of_stored(one.state(), one.arrays()) == "fast"
    one.learned_from([0])
    assert one.score_all(cast("Brain", FakeBrain(bits=1.0, stable=0.8)), lambda: None) == pytest.approx(1.0)
    assert one.mean_bpc(STABLE) == pytest.approx(0.8)
    assert one.better() == better_of_stored(one.state(), one.arrays()) == "stable"
    one.score_all(cast("Brain", FakeBrain(has_slow_weights=False)), lambda: None)
    assert one.better() == "fast"


def test_scoring_on_demand_steers_nothing() -> None:
    one = probes(1)
    one.score_all(cast("Brain", FakeBrain()), lambda: None)
    before = (json.dumps(one.state()), one.probes["source0"].nats.copy())
    assert one.measured(cast("Brain", FakeBrain(bits=3.0)), lambda: None) == {"source0": pytest.approx(3.0)}
    assert json.dumps(one.state()) == before[0]
    np.testing.assert_array_equal(one.probes["source0"].nats, before[1])


def test_a_restored_probe_keeps_its_bytes_whatever_became_of_the_files() -> None:
    first = probes(1, 2)
    brain = cast("Brain", FakeBrain())
    first.learned_from([0, 1])
    for _ in range(3):
        first.score_slice(brain)
    state, arrays = json.loads(json.dumps(first.state())), first.arrays()
    later = probes(3, 2, 4)  # other files behind the first source, and a third source
    later.load(state, arrays)
    np.testing.assert_array_equal(later.probes["source0"].rows, first.probes["source0"].rows)
    assert later.probes["source0"].fingerprint == "f1"
    assert later.tracks["source0"] == first.tracks["source0"]
    assert later.probes["source2"].fingerprint == "f4"
    assert np.isnan(later.probes["source2"].nats[:, FAST]).all()
    assert later.score_slice(brain) == ["source1"]


def test_a_probe_and_its_record_outlive_the_held_out_text_they_were_taken_from() -> None:
    first = probes(1, 2)
    brain = cast("Brain", FakeBrain())
    first.learned_from([0, 1])
    for _ in range(4):
        first.score_slice(brain)
    later = probes_of(held_out(1, size=100), held_out(2))  # the first file has shrunk to next to nothing
    assert list(later.probes) == ["source1"]
    later.load(json.loads(json.dumps(first.state(), sort_keys=True)), first.arrays())
    assert list(later.probes) == ["source0", "source1"]
    assert later.tracks == first.tracks
    assert later.forgetting().mean == 0.0
    np.testing.assert_array_equal(later.probes["source0"].rows, first.probes["source0"].rows)


def test_a_source_that_fills_later_gets_its_probe_then_and_no_one_loses_a_turn() -> None:
    stream = FakeStream([held_out(1, size=0), held_out(2)])
    growing = Probes(CONFIG, cast("ExperienceStream", stream), device=torch.device("cpu"))
    brain = cast("Brain", FakeBrain())
    growing.score_slice(brain)
    empty = (json.loads(json.dumps(growing.state())), growing.arrays())
    first_block = next(n for n in range(1, 1000) if len(held_out(1, size=n * 4096)))
    stream.sets[0] = held_out(1, size=(first_block - 1) * 4096 + 99)
    growing.meet(cast("ExperienceStream", stream))
    assert list(growing.probes) == ["source1"], "99 bytes are no probe"
    stream.sets[0] = held_out(1, size=first_block * 4096)
    growing.meet(cast("ExperienceStream", stream))
    frozen = growing.probes["source0"].rows.copy()
    assert growing.score_slice(brain) == ["source0", "source1"], "the turn continued with the last of source1"
    growing.learned_from([0, 1])
    assert math.isfinite(growing.mean_bpc()), "a probe not scored yet takes the others' mean away"
    stream.sets[0] = held_out(1)
    growing.meet(cast("ExperienceStream", stream))
    np.testing.assert_array_equal(growing.probes["source0"].rows, frozen)
    # Resumed from before, it is frozen at the same step, not at the beginning of that life.
    resumed = Probes(CONFIG, cast("ExperienceStream", stream), device=torch.device("cpu"))
    resumed.load(*empty)
    assert list(resumed.probes) == ["source1"]
    resumed.meet(cast("ExperienceStream", stream))
    assert list(resumed.probes) == ["source0", "source1"]


def test_switched_off_there_is_nothing_to_score() -> None:
    config = ForgettingConfig(enabled=False)
    stream = cast("ExperienceStream", FakeStream([held_out(1)]))
    none = Probes(config, stream, device=torch.device("cpu"))
    assert not none.due(0)
    assert math.isnan(none.score_all(cast("Brain", FakeBrain()), lambda: None))
