"""Texts as vectors: hashed n-grams of bytes, words and pairs of words, in signed buckets of a fixed number.

Nothing is learned and nothing is kept: the same text has the same vector on every machine and in every run.
Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning".

Shapes: n texts, F buckets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brain.labelled.span_hashing import Hashes, Places, Spans, buckets, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GRAMS = (3, 4, 5)  # lengths of byte n-grams
NORM = 8.0  # of a vector; at the usual rates of Adam a hidden unit then moves by about as much as its input
_WORD, _PAIR = 64, 65  # kinds of features beside the lengths of n-grams

_SPACE = 32
_LETTERS = np.zeros(256, dtype=bool)  # digits, and every byte of a letter beyond ASCII, are letters of words
_LETTERS[[*range(ord("a"), ord("z") + 1), *range(ord("0"), ord("9") + 1), *range(128, 256)]] = True


def features(texts: Sequence[bytes], num_buckets: int) -> NDArray[np.float32]:
    """A vector (F,) for each text, (n, F): counts damped by a logarithm, of length 8 (0 for a text of nothing).

    >>> vectors = features([b"Two words", b"two  WORDS!", b""], 1024)
    >>> round(float(np.linalg.norm(vectors[0])), 4), float(vectors[2].any())
    (8.0, 0.0)
    """
    vectors = np.zeros((len(texts), num_buckets), np.float32)
    hashes, owner = _hashed(texts)
    if not len(hashes):
        return vectors
    bucket = buckets(hashes, num_buckets)
    sign = np.where(hashes & np.uint64(1), 1.0, -1.0)
    place, index = np.unique(owner * num_buckets + bucket, return_inverse=True)
    count = np.bincount(index, weights=sign)
    value = np.sign(count) * np.log1p(np.abs(count))
    length = np.sqrt(np.bincount(place // num_buckets, weights=value * value, minlength=len(texts)))
    vectors.reshape(-1)[place] = NORM * value / np.maximum(length, 1e-9)[place // num_buckets]
    return vectors


def _hashed(texts: Sequence[bytes]) -> tuple[Hashes, Places]:
    """Hash of every feature of every text, and which text it is of, (m,) each."""
    folded = [b" " + text.decode("utf-8", "replace").lower().encode() + b" " for text in texts]
    data = np.frombuffer(b"".join(folded), np.uint8)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in folded])
    is_letter = _LETTERS[data]
    spans = Spans(np.where(is_letter, data, _SPACE).astype(np.uint64) + np.uint64(1))
    hashes, owners = [], []
    for length in GRAMS:
        start = np.arange(len(data) - length + 1)
        start = start[owner[start] == owner[start + length - 1]]
        hashes.append(spans.hash(start, start + length, length))
        owners.append(owner[start])
    edges = np.diff(np.concatenate([[0], is_letter.astype(np.int8), [0]]))
    start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    words, of = spans.hash(start, end, _WORD), owner[start]
    together = of[:-1] == of[1:]
    return np.concatenate([*hashes, words, pairs(words, _PAIR)[together]]), np.concatenate(
        [*owners, of, of[:-1][together]]
    )
