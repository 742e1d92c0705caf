"""Bags of features: any script, any separators between words, the same forever."""

from __future__ import annotations

import numpy as np
import pytest

from brain.models.reflex.bag import CHARACTERS, WORDS, bag_of, folded

BUCKETS = 1 << 16
KNOWN = [7917, 17602, 34020, 35089, 37094]


def buckets(text: str, *, block: int | None = None) -> set[int]:
    bag = bag_of([text.encode()], BUCKETS)
    return set(bag.bucket[bag.block == block if block is not None else slice(None)].tolist())


def test_a_text_has_the_same_features_alone_and_among_others() -> None:
    texts = [
        b"my card has not arrived",
        "карта не пришла".encode(),
        b"",
        b"?!",
        b"a",
        b"broken \xff\xfe bytes",
    ]
    together = bag_of(texts, BUCKETS)
    for number, text in enumerate(texts):
        alone, here = bag_of([text], BUCKETS), together.text == number
        assert np.array_equal(alone.bucket, together.bucket[here])
        assert np.array_equal(alone.count, together.count[here])
    assert set(together.text.tolist()) == {0, 1, 4, 5}


def test_the_features_of_a_text_never_change() -> None:
    """Stored weights belong to buckets: another hash would make nonsense of every checkpoint."""
    assert sorted(buckets("When will my card arrive?", block=WORDS))[:5] == KNOWN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello  world"),
        ("ПРИВЕТ", "привет"),
        ("Ｃａｒｄ", "card"),
        ("cafe\u0301", "café"),
        ("STRASSE", "straße"),
    ],
)
def test_one_word_has_one_form(one: str, other: str) -> None:
    assert folded(one.encode()) == folded(other.encode())
    assert buckets(one) == buckets(other)


def test_scripts_do_not_fall_together() -> None:
    """Cyrillic letters are symbols of their own, and so are those of any script."""
    shared = buckets("погода") & buckets("музыка")
    assert shared <= buckets("погода") & buckets("а")
    assert len(buckets("погода", block=CHARACTERS)) == 6 + 5 + 4


def test_words_in_another_order_share_words_but_not_pairs() -> None:
    one, turned = buckets("lost my card", block=WORDS), buckets("card my lost", block=WORDS)
    assert (len(one), len(turned), len(one & turned)) == (5, 5, 3)


def test_each_block_of_a_text_has_length_one() -> None:
    bag = bag_of([b"again and again and again", b"x"], BUCKETS)
    value = bag.values(np.ones(len(bag)))
    for text in (0, 1):
        for block in (WORDS, CHARACTERS):
            of = (bag.text == text) & (bag.block == block)
            assert float((value[of] ** 2).sum()) == pytest.approx(1.0)
    assert len(bag_of([], BUCKETS)) == 0
