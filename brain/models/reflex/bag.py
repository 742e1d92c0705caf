"""Texts as bags of features: words, pairs of words, and three to five characters within a word, each in a bucket.

Texts are UTF-8. Compatibility forms are made alike (NFKC), case is folded, and what is neither letter nor digit only
separates words, in every script.

Shapes: n texts, m entries of all of them together, F buckets.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brain.labelled.span_hashing import Hashes, Places, Spans, buckets, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LENGTHS = (3, 4, 5)  # of stretches of characters, the spaces around a word included
WORDS, CHARACTERS = range(2)  # blocks of features, each with a length of its own
_WORD, _PAIR = 64, 65  # kinds of features beside the lengths
_SPACE = ord(" ")
_RUN = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Bag:
    """What texts consist of: each entry is a text, a block, a bucket, and how often it is there, (m,) each."""

    num_texts: int
    text: Places
    block: Places
    bucket: Places
    count: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.text)

    def values(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Damped counts times the weight (m,) of each entry's bucket; each block of each text is of length 1."""
        value = (1.0 + np.log(self.count)) * weight
        place = self.text * 2 + self.block
        squares = np.bincount(place, weights=value * value, minlength=2 * self.num_texts)
        scaled: NDArray[np.float64] = value / np.sqrt(np.maximum(squares, 1e-18))[place]
        return scaled


def bag_of(texts: Sequence[bytes], num_buckets: int) -> Bag:
    """The features of each text.

    >>> bag = bag_of([b"My card!", "Моя карта".encode()], 1024)
    >>> bag.num_texts, [int((bag.block[bag.text == 1] == block).sum()) for block in (WORDS, CHARACTERS)]
    (2, [3, 18])
    """
    hashes, owner, block = _hashed(texts)
    place = (owner * 2 + block) * num_buckets + buckets(hashes, num_buckets)
    found, count = np.unique(place, return_counts=True)
    block_of, bucket = np.divmod(found, num_buckets)
    return Bag(len(texts), block_of // 2, block_of % 2, bucket, count.astype(np.float64))


def folded(text: bytes) -> str:
    """Words in one form, a space between them, before and behind.

    >>> folded("Ёлка-ＡＢ, don’t!".encode())
    ' ёлка ab don t '
    """
    plain = unicodedata.normalize("NFKC", text.decode("utf-8", "replace")).casefold()
    return f" {' '.join(_RUN.findall(plain))} "


def _hashed(texts: Sequence[bytes]) -> tuple[Hashes, Places, Places]:
    """Hash of every feature of every text, which text it is of, and its block, (m,) each."""
    lines = [folded(text) for text in texts]
    data = np.frombuffer("".join(lines).encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    spans = Spans(data.astype(np.uint64) + np.uint64(1))
    is_space = data == _SPACE
    spaces = np.concatenate([[0], np.cumsum(is_space)])
    edges = np.flatnonzero(is_space)
    inside = edges[1:] - edges[:-1] > 1  # two spaces side by side are the ends of two texts
    start, end = edges[:-1][inside] + 1, edges[1:][inside]
    words, of = spans.hash(start, end, _WORD), owner[start]
    together = of[:-1] == of[1:]
    hashes, owners = [words, pairs(words, _PAIR)[together]], [of, of[:-1][together]]
    num_words = len(words) + int(together.sum())
    for length in LENGTHS:
        begin = np.arange(max(len(data) - length + 1, 0))
        begin = begin[spaces[begin + length - 1] == spaces[begin + 1]]  # no space but at its ends
        hashes.append(spans.hash(begin, begin + length, length))
        owners.append(owner[begin])
    found = np.concatenate(hashes)
    return found, np.concatenate(owners), (np.arange(len(found)) >= num_words).astype(np.int64)
