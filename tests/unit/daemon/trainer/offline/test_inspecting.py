"""What `inspect` reads: as many bytes as asked for, of text alone, and a warning where these are too few."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from daemon.errors import UsageError
from daemon.trainer.offline.inspecting import BLOCK_BYTES, ENOUGH_BYTES, blocks_of, first_of, too_little

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("most", [1, 3, BLOCK_BYTES, BLOCK_BYTES + 1, 1 << 20])
def test_no_more_is_read_than_was_asked_for(tmp_path: Path, most: int) -> None:
    text = b"words " * 2000
    (tmp_path / "a.txt").write_bytes(text)
    assert b"".join(blocks_of(tmp_path / "a.txt", most)) == text[:most]
    assert b"".join(first_of([text[:5000], text[5000:]], most)) == text[:most]


def test_a_file_is_decoded_as_what_is_learned(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress("naïve".encode()))
    (tmp_path / "b.txt").write_text("naïve", encoding="utf-16")
    for name in ("a.gz", "b.txt"):
        assert list(blocks_of(tmp_path / name, 99)) == ["naïve".encode()]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"%PDF-1.7 words", "it is not text"),
        (b"\x00\x01\x02\xff", "it is not text"),
        (b"\x1f\x8bnot gzip at all", "gzip data is damaged"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(UsageError, match=f"odd cannot be read: .*{why}"):
        blocks_of(tmp_path / "odd", 99)
    with pytest.raises(UsageError, match="none cannot be read: no such file"):
        blocks_of(tmp_path / "none", 99)


def test_figures_of_too_few_bytes_are_called_chance() -> None:
    assert too_little(ENOUGH_BYTES) is None
    assert str(too_little(2)).startswith("only 2 bytes read")
    assert str(too_little(1)).startswith("only 1 byte read")
