"""The hippocampus by itself, beside a network that knows nothing."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
import torch

from brain.errors import SpecMismatchError
from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus import kernel
from brain.memory.hippocampus.bit_paths import node_probability, path_probability
from brain.memory.hippocampus.compiled import loops
from brain.memory.hippocampus.config import Sizes, sizes_for
from brain.memory.hippocampus.exact_memory import Hippocampus
from brain.memory.hippocampus.prefix import class_of
from brain.memory.selection import Selection

SMALL = Sizes(buckets=1 << 14, heads=1 << 10, past=1 << 12)
TEXT = b"My name is Ada Lovelace. Call me at 0171 555 0123 before noon.\n"
OTHER = b"The engine weaves algebraic patterns just as the loom weaves flowers and leaves. "


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    assert loops().ready.wait(120)
    assert loops().compiled, "Numba is not installed"


def read(memory: Hippocampus, *texts: bytes, reset: bool = False, learn: bool = True) -> list[float]:
    """Nats of each text, read by a lane of its own beside a network that knows nothing."""
    width = max(len(text) for text in texts)
    rows = torch.zeros(len(texts), width, dtype=torch.uint8)
    mask = torch.zeros(len(texts), width, dtype=torch.bool)
    for row, text in enumerate(texts):
        rows[row, : len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        mask[row, : len(text)] = True
    lane, network = torch.arange(len(texts)), torch.full((*rows.shape, 8), 0.5)
    again = torch.full((len(texts),), reset)
    mixed = memory.read(rows, mask, lane, again, network, learn=learn)
    return [float(nats) for nats in mixed.nats.sum(axis=1)]


def fingerprint(memory: Hippocampus, *, but: tuple[str, ...] = ()) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(memory.tensors().items()):
        if not name.endswith(but):
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def complete(memory: Hippocampus, prompt: bytes, count: int) -> bytes:
    """The most probable bytes behind a prompt."""
    reader, made, uniform = memory.reader(1), b"", torch.full((1, 256), 1 / 256)
    row = torch.frombuffer(bytearray(prompt), dtype=torch.uint8)[None]
    reader.read(row, row >= 0, torch.full((*row.shape, 8), 0.5))
    for _ in range(count):
        byte = reader.predict(uniform).argmax(dim=-1).to(torch.uint8)
        made += bytes(byte.tolist())
        reader.read(byte[:, None], byte[:, None] >= 0, torch.full((1, 1, 8), 0.5))
    return made


def test_what_was_read_once_is_known_at_once() -> None:
    memory = Hippocampus(SMALL, lanes=1)
    (first,) = read(memory, TEXT)
    read(memory, OTHER * 20)
    (again,) = read(memory, TEXT, reset=True)
    assert again < 0.15 * first
    assert complete(memory, b"Hello. Call me at ", 14) == b"0171 555 0123 "


def test_compiled_and_as_they_stand_the_loops_give_the_same_numbers() -> None:
    generator = np.random.default_rng(3)
    rows = np.frombuffer(TEXT * 3, np.uint8)[None].repeat(2, axis=0)
    network = generator.random((*rows.shape, 8), dtype=np.float32)
    lengths, lane, reset = np.array([len(TEXT) * 3, 70]), np.array([1, 0]), np.array([False, True])
    results: list[tuple[Any, ...]] = []
    for read_rows, spread in ((kernel.read_rows, kernel.spread), (loops().read_rows, loops().spread)):
        own = tables.empty_tables(lanes=2, buckets=1 << 10, past=128, heads=64)
        lanes, fixed, scratch = tables.fresh_lanes(own.past), tables.constants(), tables.new_scratch()
        probability, share, spread_out = np.ones(rows.shape), np.zeros(rows.shape), np.zeros(256)
        read_rows(
            own,
            lanes,
            fixed,
            scratch,
            tables.Rates(),
            rows,
            lengths,
            lane,
            reset,
            network,
            True,
            probability,
            share,
        )
        spread(own, lanes, fixed, scratch, 1, np.linspace(0.1, 0.9, 256), spread_out)
        results.append((probability, share, spread_out, lanes.stand, *own))
    for plain, compiled in zip(*results, strict=True):
        assert plain.tobytes() == compiled.tobytes()


def test_every_byte_has_the_probability_that_it_is_scored_with() -> None:
    memory = Hippocampus(SMALL, lanes=1)
    read(memory, TEXT * 2 + OTHER)
    expected = torch.rand(1, 256, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    prompt = torch.frombuffer(bytearray(b"Call me at 0"), dtype=torch.uint8)[None]

    def begun() -> Any:
        reader = memory.reader(1)
        reader.read(prompt, prompt >= 0, torch.full((*prompt.shape, 8), 0.5))
        return reader

    probability = begun().predict(expected)[0]
    assert probability.sum().item() == pytest.approx(1.0, abs=1e-12)
    for byte in (ord("1"), ord("2"), 0, 255):
        row = torch.tensor([[byte]], dtype=torch.uint8)
        network = path_probability(expected[:, None], row)
        scored = math.exp(-begun().read(row, row >= 0, network).nats.item())
        assert scored == pytest.approx(probability[byte].item(), rel=1e-6)


def test_a_path_is_what_the_bytes_give() -> None:
    probability = torch.rand(256, generator=torch.Generator().manual_seed(2)).double().softmax(dim=-1)
    byte = torch.tensor(0b10110001)
    path = path_probability(probability, byte)
    bits = torch.tensor([1, 0, 1, 1, 0, 0, 0, 1])
    product = torch.where(bits == 1, path, 1 - path).prod()
    assert product.item() == pytest.approx(probability[byte].item(), rel=1e-12)
    assert node_probability(probability)[1].item() == pytest.approx(probability[128:].sum().item())


def test_reading_without_learning_changes_nothing_that_is_remembered() -> None:
    memory = Hippocampus(SMALL, lanes=1)
    read(memory, TEXT)
    before = fingerprint(memory)
    complete(memory, b"My name is ", 10)
    assert fingerprint(memory) == before
    tables_before = fingerprint(memory, but=("|past", "|stand", "|rows", "|count"))
    read(memory, OTHER, learn=False)
    assert fingerprint(memory, but=("|past", "|stand", "|rows", "|count")) == tables_before
    assert fingerprint(memory) != before


def test_it_goes_on_from_what_it_kept() -> None:
    whole, half = Hippocampus(SMALL, lanes=2), Hippocampus(SMALL, lanes=2)
    for memory in (whole, half):
        read(memory, TEXT, OTHER)
    other = Hippocampus(SMALL, lanes=2)
    other.check(half.tensors())
    for name, tensor in other.tensors().items():
        tensor.copy_(half.tensors()[name])
    assert read(whole, OTHER, TEXT) == read(other, OTHER, TEXT)
    assert fingerprint(whole) == fingerprint(other)


def test_tables_that_point_elsewhere_are_refused() -> None:
    memory = Hippocampus(SMALL, lanes=2)
    for name, place in (("heads", (3,)), ("stand", (1, tables.MATCH))):
        stored = {key: tensor.clone() for key, tensor in memory.tensors().items()}
        stored[f"hippocampus|{name}"][place] = memory.tables.past.size + 1
        with pytest.raises(SpecMismatchError, match="damaged"):
            memory.check(stored)


def test_a_row_that_follows_on_nothing_sees_nothing_of_its_lane() -> None:
    memory, fresh = Hippocampus(SMALL, lanes=2), Hippocampus(SMALL, lanes=2)
    read(memory, TEXT, learn=False)
    assert read(memory, OTHER, reset=True) == read(fresh, OTHER)


def test_lanes_share_what_they_remember() -> None:
    memory, alone = Hippocampus(SMALL, lanes=2), Hippocampus(SMALL, lanes=2)
    first, second = read(memory, TEXT, TEXT)
    assert second < 0.2 * first
    assert read(alone, TEXT) == [first]


def test_its_room_is_bounded_whatever_it_reads() -> None:
    memory = Hippocampus(Sizes(buckets=1 << 10, heads=1 << 6, past=256), lanes=1)
    size = sum(tensor.nbytes for tensor in memory.tensors().values())
    noise = np.random.default_rng(0).integers(0, 256, 5_000, dtype=np.uint8).tobytes()
    (nats,) = read(memory, noise)
    assert nats / len(noise) < math.log(256) * 1.05  # forgetting costs little where there is nothing to know
    assert sum(tensor.nbytes for tensor in memory.tensors().values()) == size
    (known,) = read(memory, TEXT * 2, reset=True)
    assert known < 0.75 * 2 * len(TEXT) * math.log(256)


@pytest.mark.parametrize("mib", [20, 32, 64, 128, 256])
def test_it_takes_no_more_room_than_it_is_given(mib: int) -> None:
    sizes = sizes_for(mib, lanes=32)
    room = sizes.buckets * 16 + sizes.heads * 4 + sizes.past * 2 * 32
    assert room + 18 * (1 << 20) <= mib * (1 << 20)
    assert room * 4 >= (mib - 18) * (1 << 20)


def test_it_knows_behind_how_much_of_a_context_something_else_has_followed() -> None:
    mill = b"the number of the house behind the mill in the valley is "
    barn = mill.replace(b"mill", b"barn")

    def branches(first: bytes, second: bytes) -> list[int]:
        """Those of the two digits that followed in two sentences."""
        memory, text = Hippocampus(SMALL, lanes=1), b"<" + first + b"3\n>" + second + b"7\n"
        read(memory, text)
        return [int(memory.tables.branches[0, text.index(digit)]) for digit in (b"3", b"7")]

    assert branches(mill, mill) == [len(mill)] * 2
    assert branches(barn, mill) == [len(b" in the valley is ")] * 2
    assert branches(mill, OTHER) == [0, 0]


@pytest.mark.parametrize(
    ("length", "branched", "branching"), [(40, 0, 0), (40, 39, 1), (40, 40, 2), (400, 255, 2)]
)
def test_a_match_is_told_apart_by_whether_its_context_has_branched(
    length: int, branched: int, branching: int
) -> None:
    kind = class_of(length, branched)
    assert kind % tables.BRANCHINGS == branching
    assert kind // tables.BRANCHINGS == class_of(length, 0) // tables.BRANCHINGS


def test_where_a_text_went_on_otherwise_is_forgotten_with_it() -> None:
    memory = Hippocampus(SMALL, lanes=1)
    read(memory, TEXT + OTHER + TEXT.replace(b"0123", b"0987"))
    assert memory.tables.branches.any()
    memory.forget(Selection(text=TEXT[:40]))
    assert not memory.tables.branches.any()


def test_a_fact_is_completed_though_what_it_resembles_went_on_otherwise() -> None:
    rng = np.random.default_rng(0)
    names = ["".join(rng.choice(list("aeioulmnrst"), 7)).title() for _ in range(160)]
    lines = [
        f"The passport of {name} of that town has the number 200{rng.integers(9)}, they say.\n"
        for name in names
    ]
    asked, answer = "The passport of Fenella of that town has the number ", "223 516"
    lines.insert(40, f"{asked}{answer}.\n")
    memory = Hippocampus(Sizes(buckets=1 << 16, heads=1 << 12, past=1 << 15), lanes=1)
    read(memory, "".join(lines).encode())
    assert complete(memory, asked.encode(), len(answer)) == answer.encode()
