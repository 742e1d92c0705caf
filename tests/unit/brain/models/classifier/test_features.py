"""Hashed features: the same for the same text wherever it stands, different for other texts."""

from __future__ import annotations

import numpy as np
import pytest

from brain.models.classifier.features import NORM, features

BUCKETS = 4096
FIRST_BUCKETS, FIRST_SIGNS = [3, 45, 118, 450, 474], [1.0, 1.0, 1.0, -1.0, -1.0]


def test_a_text_has_the_same_vector_alone_and_among_others() -> None:
    texts = [b"my card has not arrived", "карта не пришла".encode(), b"", b"x", b"a\xff\xfeb broken bytes"]
    together = features(texts, BUCKETS)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(features([text], BUCKETS)[0], vector)
    assert np.linalg.norm(together, axis=1) == pytest.approx([NORM, NORM, 0.0, NORM, NORM], rel=1e-5)


def test_the_vector_of_a_text_never_changes() -> None:
    """Stored weights belong to buckets: another hash would make nonsense of every checkpoint."""
    vector = features([b"When will my card arrive?"], BUCKETS)[0]
    assert vector.nonzero()[0][:5].tolist() == FIRST_BUCKETS
    assert np.sign(vector[FIRST_BUCKETS]).tolist() == FIRST_SIGNS


def test_case_and_punctuation_are_no_words() -> None:
    one, other = features([b"Hello, World!", b"hello  world"], BUCKETS)
    assert float(one @ other) > 0.7 * NORM**2


def test_words_in_another_order_are_near_and_other_words_are_not() -> None:
    one, turned, other = features([b"lost my card", b"my card lost", b"exchange rate today"], BUCKETS)
    assert 0.4 * NORM**2 < float(one @ turned) < 0.95 * NORM**2
    assert abs(float(one @ other)) < 0.2 * NORM**2


def test_buckets_are_used_evenly_with_either_sign() -> None:
    texts = [f"word{number} and number {number * 7919}".encode() for number in range(300)]
    vectors = features(texts, 64)
    used = (vectors != 0).mean(axis=0)
    assert used.min() > 0.2
    assert 0.4 < (vectors > 0).sum() / (vectors != 0).sum() < 0.6
