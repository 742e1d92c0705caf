"""Every brain reads, speaks and can be watched without a change, and never looks ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.capabilities import Observable, Steerable
from brain.memory.ports import Remembering
from tests.contract.cases import (
    CASES,
    ROWS,
    UNDECIDED,
    UNITS,
    Case,
    batches,
    make,
)
from tests.contract.probes.causality import brain_leak
from tests.contract.probes.freezing import changed_by

if TYPE_CHECKING:
    from brain.ports import Brain


def test_no_future_leaks_into_the_score(case: Case) -> None:
    brain = make(*case)
    for batch in batches(20):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    for position in (1, 7, 19):
        assert brain_leak(brain, rows, position) == 0.0


def test_scoring_and_speaking_change_nothing(case: Case) -> None:
    brain = make(*case)
    for batch in batches(3):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    before = torch.get_rng_state()
    assert changed_by(brain, lambda: brain.score(rows, torch.ones_like(rows, dtype=torch.bool))) == []
    assert changed_by(brain, lambda: list(_speak(brain, 5))) == []
    if isinstance(brain, Observable):
        observable: Observable = brain
        assert changed_by(brain, lambda: observable.observe(rows)) == []
    assert torch.equal(before, torch.get_rng_state())


def _speak(brain: Brain, seed: int, **options: Any) -> list[int]:
    chosen = {"max_bytes": 12, "temperature": 1.0, "top_p": 0.9} | options
    prompt = chosen.pop("prompt", b"abab")
    generator = torch.Generator().manual_seed(seed)
    return [*b"".join(brain.generate(prompt, **chosen, generator=generator))]


def test_speech_depends_on_its_generator_alone(case: Case) -> None:
    brain = make(*case)
    first = _speak(brain, 1)
    torch.rand(5)
    assert _speak(brain, 1) == first
    assert _speak(brain, 2) != first
    assert len(first) == 12
    assert all(0 <= byte < 256 for byte in first)


@pytest.mark.parametrize("case", [case for case in CASES if case[0] not in UNDECIDED], indirect=True)
def test_speech_without_heat_takes_the_most_probable_byte(case: Case) -> None:
    brain = make(*case)
    for batch in batches(40):
        brain.learn(batch)
    printed = _speak(brain, 0, temperature=0.0, max_bytes=4, prompt=b"a")
    received = torch.tensor([*b"a", *printed], dtype=torch.uint8)
    mask = torch.zeros(1, len(received), dtype=torch.bool)
    for index in range(1, len(received)):
        mask.zero_()
        mask[0, index] = True
        candidates = received.repeat(256, 1)
        candidates[:, index] = torch.arange(256, dtype=torch.uint8)
        # What it says comes from both memories, where it has two.
        score = brain.score_remembering if isinstance(brain, Remembering) else brain.score
        nats = score(candidates, mask.expand(256, -1))
        assert nats[int(received[index])] <= nats.min() + 0.05


def test_speech_leaves_gradients_on_for_the_listener(case: Case) -> None:
    stream = make(*case).generate(
        b"", max_bytes=3, temperature=1.0, top_p=1.0, generator=torch.Generator().manual_seed(0)
    )
    for _ in stream:
        assert torch.is_grad_enabled()


def test_a_nudge_moves_only_what_comes_after(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, Observable):
        pytest.skip("this brain cannot be watched")
    for batch in batches(20):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    clean = brain.observe(rows)
    assert tuple(clean) == brain.module_names
    middle = brain.module_names[len(brain.module_names) // 2]
    nudge, at = torch.zeros_like(clean[middle]), clean[middle].shape[1] // 2
    nudge[:, at] = 0.5
    moved = brain.observe(rows, inject={middle: nudge})
    torch.testing.assert_close(moved[middle][:, at], clean[middle][:, at] + 0.5)
    for index, name in enumerate(brain.module_names):
        assert clean[name].dtype == torch.float32
        assert clean[name].shape[:2] == clean[middle].shape[:2]
        assert torch.equal(moved[name][:, :at], clean[name][:, :at])
        if index < brain.module_names.index(middle):
            assert torch.equal(moved[name], clean[name])
    assert not torch.equal(moved[brain.module_names[-1]], clean[brain.module_names[-1]])


def steerable(case: Case) -> tuple[Brain, Steerable]:
    brain = make(*case)
    if not isinstance(brain, Steerable):
        pytest.skip("this brain cannot be steered byte by byte")
    for batch in batches(20):
        brain.learn(batch)
    return brain, brain


def test_a_fork_continues_exactly_as_its_row_would(case: Case) -> None:
    _, brain = steerable(case)
    rows = batches(1, seed=3, ragged=False)[0].bytes
    head, tail = rows[:, :12], rows[:, 12:]
    straight, started = brain.reader(ROWS), brain.reader(ROWS)
    straight.read(head)
    started.read(head)
    order = torch.tensor([4, 0, 0, 3, 5, 4])
    forked = started.fork(order)
    other = brain.reader(ROWS).fork(torch.arange(ROWS))  # a fork of rows that have read nothing
    torch.testing.assert_close(other.read(head), brain.reader(ROWS).read(head), rtol=0, atol=0)
    first = straight.predict()
    assert torch.equal(forked.predict(), first[order])
    for place in range(UNITS.get(case[0], 1)):  # to the end of a symbol
        forked.predict()
        straight.predict()
        forked.accept(tail[order, place].long())
        straight.accept(tail[:, place].long())
    assert torch.equal(forked.predict(), straight.predict()[order])
    assert torch.equal(forked.read(tail[order, 4:]), straight.read(tail[:, 4:])[order])
    # The fork continued by itself: what it was taken from stands where it stood.
    assert torch.equal(started.predict(), first)


def test_reading_and_forking_change_nothing(case: Case) -> None:
    brain, reading = steerable(case)
    rows = batches(1, seed=3, ragged=False)[0].bytes

    def read_on() -> None:
        reader = reading.reader(ROWS)
        reader.read(rows)
        forked = reader.fork(torch.tensor([1, 1]))
        forked.predict()
        forked.accept(torch.tensor([97, 98]))

    assert changed_by(brain, read_on) == []
