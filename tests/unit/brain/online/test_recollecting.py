"""What an exact memory knows of a context: the passage, the next byte by each memory, a completion."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
import torch

from tests.unit.brain.online.test_remembering import FACT, fresh_brain, read

OTHER = Path(typing.__file__).read_bytes()
CONTEXT = b"Please dial the bakery in Lindenau is "


def test_of_a_fact_read_once_it_knows_where_it_stood_and_how_it_goes_on() -> None:
    brain = fresh_brain(mib=20)
    read(brain, OTHER[:3_000] + FACT + OTHER[3_000:5_000])
    before = {name: tensor.clone() for name, tensor in brain.state().learning.items()}
    found = brain.recall(CONTEXT, max_bytes=13)
    assert found.num_bytes == len(CONTEXT)
    assert found.match is not None
    assert found.match.matched == b" the bakery in Lindenau is "[-found.match.length :]
    assert found.match.length == len(b" the bakery in Lindenau is ")
    assert found.match.before.endswith(OTHER[2_990:3_000] + b"\nThe number of")
    assert found.match.after.startswith(b"0341 480 2291, and Jolanda answers.\n")
    assert (found.match.source, found.match.step) == (0, 0)  # as the batches say
    assert found.match.bytes_ago == len(FACT.partition(b" is ")[2]) + 2_000
    assert found.completion == b"0341 480 2291"
    for name in ("memory", "network", "both"):
        assert getattr(found, name).sum().item() == pytest.approx(1.0, abs=1e-6), name
    assert found.memory.argmax().item() == found.both.argmax().item() == ord("0")
    assert found.memory[ord("0")] > 0.5 > found.network[ord("0")]
    assert all(torch.equal(before[name], tensor) for name, tensor in brain.state().learning.items())


def test_both_is_what_it_answers_from_and_network_what_it_would_without_a_memory() -> None:
    brain, alone = fresh_brain(mib=20), fresh_brain(mib=0)
    for one in (brain, alone):
        read(one, OTHER[:2_000])
    context = OTHER[500:540]
    found = brain.recall(context, max_bytes=0)
    answer = brain.generate(
        context, max_bytes=1, temperature=0.0, top_p=1.0, generator=torch.Generator().manual_seed(0)
    )
    assert b"".join(answer) == bytes([int(found.both.argmax())])
    assert found.completion == b""
    reader = alone.reader(1)
    reader.read(torch.frombuffer(bytearray(context), dtype=torch.uint8)[None])
    expected = reader.predict().softmax(dim=-1).double()[0]
    assert torch.allclose(found.network, expected, atol=1e-6)


@pytest.mark.parametrize("context", [b"x", b"\xff\x00\xfe\x80 qZ\x01", "ключ €".encode()])
def test_of_what_it_never_read_it_knows_no_passage_and_continues_nothing(context: bytes) -> None:
    brain = fresh_brain(mib=20)
    read(brain, FACT)
    found = brain.recall(context, max_bytes=20)
    assert found.match is None
    assert found.completion == b""


def test_a_long_context_is_read_in_parts_and_its_end_is_what_is_matched() -> None:
    brain = fresh_brain(mib=20)
    read(brain, OTHER[:2_000])
    found = brain.recall(OTHER[100:1_500], max_bytes=8)
    assert found.num_bytes == 1_400
    assert found.match is not None
    assert OTHER[1_500:1_628].startswith(found.match.after)
    assert len(found.match.after) >= 64
    assert not OTHER[1_500 + len(found.match.after) :][:1].strip()  # not in the middle of a word
    assert found.completion == OTHER[1_500:1_508]


def test_a_passage_ends_where_the_lane_jumped_to_another_text() -> None:
    brain = fresh_brain(mib=20)
    memory = brain.learner.hippocampus
    assert memory is not None
    zero = torch.zeros(1, dtype=torch.int64)
    for step, text in enumerate((b"The end of one text. ", FACT, b"Another text begins here."), start=5):
        row = torch.frombuffer(bytearray(text), dtype=torch.uint8)[None]
        even = torch.full((*row.shape, 8), 0.5)
        memory.read(row, row >= 0, zero, zero == 0, even, learn=True, source=zero + step, step=10 * step)
    found = brain.recall(b"480 2291, and", max_bytes=0).match
    assert found is not None
    assert (found.source, found.step) == (6, 60)
    assert found.before + found.matched + found.after == FACT
    assert found.after == b" Jolanda answers.\n"


def test_a_ring_that_has_gone_round_shows_no_byte_from_before_its_end() -> None:
    brain = fresh_brain(mib=20)
    size = brain.state().learning["hippocampus|past"].shape[1]
    tail = (OTHER * (1 + (size + 300) // len(OTHER)))[: size + 300]
    memory = brain.learner.hippocampus
    assert memory is not None
    for first in range(0, len(tail), 4096):
        part = torch.frombuffer(bytearray(tail[first : first + 4096]), dtype=torch.uint8)[None]
        even = torch.full((*part.shape, 8), 0.5)
        zero = torch.zeros(1, dtype=torch.int64)
        memory.read(part, part >= 0, zero, zero > 0, even, learn=True)
    found = brain.recall(tail[-40:-10], max_bytes=0)
    assert found.match is not None
    assert found.match.bytes_ago == 10
    assert found.match.after == tail[-10:]
    assert tail.endswith(found.match.before + found.match.matched + found.match.after)
