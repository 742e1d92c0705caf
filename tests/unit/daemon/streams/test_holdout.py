"""The positional hold-out: stable, counted without reading, exact at every edge."""

from __future__ import annotations

import pytest

from daemon.streams.holdout import BLOCK_BYTES, HeldDocument, HeldOutSet, HoldOut

NAMES = [f"folder/{i}.txt" for i in range(50)]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.03, 0.25, 0.5])
def test_the_share_is_held_out(share: float) -> None:
    split = HoldOut.of(share)
    size = 5000 * BLOCK_BYTES
    counted = sum(split.count(name, size) for name in NAMES)
    assert counted / (50 * 5000) == pytest.approx(share, rel=0.02)
    # Short files miss blocks of their only group, so the share holds over many of them only.
    short = sum(split.count(f"{i}", 10 * BLOCK_BYTES) for i in range(4000))
    assert short / 40_000 == pytest.approx(share, rel=0.5)


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 99 * 4096 + 1, 100 * 4096, 250 * 4096 + 77])
@pytest.mark.parametrize("share", [0.0, 0.004, 0.01, 0.25])
def test_the_count_is_that_of_the_blocks(share: float, size: int) -> None:
    split = HoldOut.of(share)
    for name in NAMES[:10]:
        held = [block for block in range(-(-size // BLOCK_BYTES)) if split.holds(name, block)]
        assert split.count(name, size) == len(held)
        assert [split.block(name, index) for index in range(len(held))] == held


def test_runs_and_held_out_blocks_cover_a_document_once() -> None:
    split = HoldOut.of(0.25)
    size = 210 * BLOCK_BYTES + 5
    covered = bytearray(size)
    offset = 0
    while True:
        begin, end = split.run("a", offset, size, 16 * BLOCK_BYTES)
        if begin == size:
            break
        assert end == size or end % BLOCK_BYTES == 0
        assert end - begin <= 16 * BLOCK_BYTES
        for place in range(begin, end):
            covered[place] += 1
        offset = end
    for block in range(211):
        part = covered[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        assert set(part) == {0 if split.holds("a", block) else 1}


def test_growing_a_file_moves_no_block() -> None:
    split = HoldOut.of(0.01)
    for name in NAMES:
        before = [split.block(name, i) for i in range(split.count(name, 450 * BLOCK_BYTES))]
        after = [split.block(name, i) for i in range(split.count(name, 999 * BLOCK_BYTES))]
        assert after[: len(before)] == before


def test_the_set_reads_every_block_once() -> None:
    split = HoldOut.of(0.01)
    documents = [HeldDocument(name, 37_000 * (i + 1)) for i, name in enumerate(NAMES)]
    asked: list[tuple[str, int, int]] = []

    def read(document: str, offset: int, length: int) -> bytes:
        asked.append((document, offset, length))
        return bytes(length)

    held = HeldOutSet(split, documents, read, fingerprint="f")
    blocks = [held.read(index) for index in range(len(held))]
    sizes = {document.name: document.size for document in documents}
    assert len(held) == held.num_blocks == sum(split.count(name, size) for name, size in sizes.items()) > 50
    assert len({(document, offset) for _, document, offset in blocks}) == len(held)
    for (data, document, offset), (_, _, length) in zip(blocks, asked, strict=True):
        assert split.holds(document, offset // BLOCK_BYTES)
        assert len(data) == length == min(BLOCK_BYTES, sizes[document] - offset)
    with pytest.raises(IndexError):
        held.read(len(held))


def test_the_split_is_the_same_on_every_machine() -> None:
    split = HoldOut.of(0.01)
    assert [split.block("difflib.py", i) for i in range(3)] == [1, 190, 208]
