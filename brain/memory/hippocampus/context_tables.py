"""What the hippocampus keeps, as arrays, and the sizes that the loops over them are compiled with.

Shapes: L lanes, H bytes of a lane's past, C hashed contexts, I inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from brain.memory.hippocampus.bit_histories import bit_histories

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORDERS = (1, 2, 3, 4, 5, 6, 8)  # bytes of each context that is hashed, the shorter ones first
# Behind them: the word so far; with the word before it; with the one before that; three bytes without the last; four
# without the second; and what followed the last byte, or the last two, when they were met before.
WORDS, PAIRS, LEAPS, SKIPS, HOLES, AFTER_ONE, AFTER_TWO = range(len(ORDERS), len(ORDERS) + 7)
CONTEXTS = len(ORDERS) + 7
INDIRECT = (
    5  # one bucket in five is for the last two of these contexts, which cannot be found again from a text
)
KINDS, WORD_KNOWN = 16, 8  # rows of the gates by how long a context is known, and whether the word is
ORDER1 = 2 * CONTEXTS  # inputs of memory: two of each context, one of the last byte, two of the match
MATCHING = ORDER1 + 1
BIAS = ORDER1 + 3
NETWORK = ORDER1 + 4  # the last input is the network's
INPUTS = ORDER1 + 5
PAST = 8  # bytes of a lane that contexts look back on
# Rows of the gates: by the bits so far, by match and known contexts, by the last byte, by the one before, by the byte
# that the match expects and the bit of it.
BY_MATCH, BY_LAST, BY_SECOND, BY_EXPECTED, GATES = 256, 1792, 2048, 2304, 4352
CHOSEN = 5  # rows that mix a bit
WAYS = 3  # buckets that a context may be found in
NODES = 16  # of a bucket: a check, and the history of each of the 15 places in half a byte
MATCHED = 6  # bytes that a match begins with
LONGEST = 400
ALONE = 5  # a match is judged alone where fewer orders than this are known
LENGTHS = 32  # classes of the length of a match
# By what is known of its context: nothing else ever followed it; something did, but behind fewer bytes of it; or behind
# all of it. The first two are unbranched.
BRANCHINGS, BRANCHED = 3, 2
CLASSES = LENGTHS * BRANCHINGS
LONG = 16 * BRANCHINGS  # from this class on a match is 16 bytes and more
LONGER = 20 * BRANCHINGS  # and from this one on 32 bytes and more
UNSURE = 1.5  # in the logistic domain: an unbranched long match disputes what all else expects up to here
CELLS = 33  # of an adaptive map, over the logistic domain
STEPS = 4096  # of the tables of that domain
EDGE = 8.0  # that domain ends at ± 8
NEAREST = 1.0 / 65536.0  # to certainty
MASK = 0x7FFFFFFF  # hashes have 31 bits, so that no product of two exceeds 62
MULTIPLIERS = (0x2F0B4C47, 0x1B873593)

# Columns of `Lanes.stand`.
READ, SINCE, MATCH, LENGTH, WORD, WORD_BEFORE, SECOND_BEFORE = range(7)


class Lanes(NamedTuple):
    """What rows were read, and where each stands.

    Attributes:
        past: uint8 (L, H), a ring of bytes for each.
        stand: int64 (L, 7): bytes read; of these since the last jump; position in the memory's past, flat, where the
            match continues, plus one, or 0 without a match; its length; hashes of the word so far and of the two
            before it.
    """

    past: NDArray[np.uint8]
    stand: NDArray[np.int64]


class Tables(NamedTuple):
    """All that is remembered; the arrays are changed in place.

    Attributes:
        buckets: uint8 (N + N / 4, 16), N a power of two, behind which the indirect contexts have theirs: check of a
            context and half a byte, then 15 bit histories.
        meaning: float64 (C, 256), probability that a one follows a history, by context.
        order1: float64 (65536,), probability of a one behind the last byte and the bits so far.
        gates: float64 (4352, I), weights of the inputs.
        trust: float64 (1536, 5), weights of what five of these rows predict, by match and known contexts.
        disputes: float64 (96, 2), weights of that sum and of a long match that disputes it, by the class of the match.
        maps: float32 (2, 65536, 33), the prediction corrected, by the last byte and by a hash of the last two.
        matches: float64 (96,), probability that a match continues, by its class.
        heads: int32 (M,), M a power of two: where in the past a hash of six bytes was last met, plus one.
        past: uint8 (L, H), what the lanes that are learned from have read.
        branches: uint8 (L, H), of each byte there: the longest context behind which another byte is known to have
            come, 0 for none, at most 255.
        after_one: int64 (256,), the two bytes that followed a byte the last two times, the newest the lowest.
        after_two: int64 (65536,), the same of two bytes.
    """

    buckets: NDArray[np.uint8]
    meaning: NDArray[np.float64]
    order1: NDArray[np.float64]
    gates: NDArray[np.float64]
    trust: NDArray[np.float64]
    disputes: NDArray[np.float64]
    maps: NDArray[np.float32]
    matches: NDArray[np.float64]
    heads: NDArray[np.int32]
    past: NDArray[np.uint8]
    branches: NDArray[np.uint8]
    after_one: NDArray[np.int64]
    after_two: NDArray[np.int64]


class Constants(NamedTuple):
    """Tables that never change.

    Attributes:
        follows: uint8 (256, 2), the history that follows another on a bit.
        stretched: float64 (4097,), ln(p / (1 − p)) of p from 0 to 1, within ± 8.
        squashed: float64 (4097,), its inverse from −8 to 8.
    """

    follows: NDArray[np.uint8]
    stretched: NDArray[np.float64]
    squashed: NDArray[np.float64]


class Rates(NamedTuple):
    """Shares of its error by which each part learns from a bit."""

    gates: float = 0.005
    trust: float = 0.002
    disputes: float = 0.0003
    meaning: float = 0.006
    order1: float = 0.04
    maps: float = 0.02
    matches: float = 0.01


class Scratch(NamedTuple):
    """Room to work in, and what is known of one byte and bit to come.

    Attributes:
        hashes: int64 (2, C), of the byte's contexts, to find them by and to check.
        bucket: int64 (C,), where the histories of this half of it stand; −1 where there is none.
        inputs: float64 (I,), of the bit.
        evidence: float64 (5,), what each of five gates predicts, in the logistic domain.
        mixed: float64 (7,): the same as probabilities, then their trusted sum in the logistic domain, and what that
            settles to where a long match disputes it.
        places: int64 (10,): rows of the five gates, row and cell of the first map, row of the second, the byte that
            the match expects (−1: none), its class.
        last: int64 (8,), the last bytes, the newest first.
    """

    hashes: NDArray[np.int64]
    bucket: NDArray[np.int64]
    inputs: NDArray[np.float64]
    evidence: NDArray[np.float64]
    mixed: NDArray[np.float64]
    places: NDArray[np.int64]
    last: NDArray[np.int64]


SUM, SETTLED = CHOSEN, CHOSEN + 1  # in `Scratch.mixed`
ROW, CELL, PAIR, EXPECTED, CLASS = range(CHOSEN, CHOSEN + 5)  # in `Scratch.places`, behind the gates


def constants() -> Constants:
    """The tables that never change."""
    inner = np.clip(np.arange(STEPS + 1) / STEPS, 1e-9, 1 - 1e-9)
    return Constants(
        follows=bit_histories()[0],
        stretched=np.clip(np.log(inner / (1 - inner)), -EDGE, EDGE),
        squashed=_logistic(np.linspace(-EDGE, EDGE, STEPS + 1)),
    )


def empty_tables(*, lanes: int, buckets: int, past: int, heads: int) -> Tables:
    """An empty memory; `buckets` and `heads` are powers of two, `past` is bytes a lane.

    A quarter of the buckets comes in addition, for indirect contexts.
    """
    zeros, ones = bit_histories()[1].T.astype(np.float64)
    classes = np.arange(LENGTHS).repeat(BRANCHINGS)
    lengths = np.where(classes < 16, classes, np.where(classes < 20, 4 * classes - 48, 32 * classes - 608))
    gates = np.full((GATES, INPUTS), 0.18)
    trust = np.full((CLASSES, KINDS, CHOSEN), 1.0 / CHOSEN)
    # What was once met for so long is believed at first, and alone where longer contexts have been pushed out since.
    by_match = gates[BY_MATCH:BY_LAST].reshape(CLASSES, KINDS, INPUTS)
    by_match[LONG:, :, MATCHING] = 0.8
    trust[LONG:], trust[LONG:, :, 1] = 0.1, 1.0 - 0.1 * (CHOSEN - 1)
    for known in range(KINDS):
        if known % WORD_KNOWN < ALONE:
            by_match[LONG:, known], by_match[LONG:, known, MATCHING] = 0.02, 1.2
            trust[LONG:, known], trust[LONG:, known, 1] = 0.0, 1.0
    disputes = np.full((CLASSES, 2), 0.5)
    disputes[LONGER:] = 0.2, 1.0
    return Tables(
        buckets=np.zeros((buckets + buckets // (INDIRECT - 1), NODES), np.uint8),
        meaning=np.tile((ones + 0.4) / (zeros + ones + 0.8), (CONTEXTS, 1)),
        order1=np.full(65536, 0.5),
        gates=gates,
        trust=trust.reshape(CLASSES * KINDS, CHOSEN),
        disputes=disputes,
        maps=np.tile(_logistic(np.linspace(-EDGE, EDGE, CELLS)).astype(np.float32), (2, 65536, 1)),
        matches=1.0 - 0.5 / (1.0 + lengths),
        heads=np.zeros(heads, np.int32),
        past=np.zeros((lanes, past), np.uint8),
        branches=np.zeros((lanes, past), np.uint8),
        after_one=np.zeros(256, np.int64),
        after_two=np.zeros(65536, np.int64),
    )


def num_direct(num_buckets: int) -> int:
    """How many of all buckets, from the first on, are those of contexts that a text gives by itself."""
    return num_buckets - num_buckets // INDIRECT


def fresh_lanes(past: NDArray[np.uint8]) -> Lanes:
    """Lanes that have read nothing, over rings that are there."""
    return Lanes(past=past, stand=np.zeros((len(past), 7), np.int64))


def new_scratch() -> Scratch:
    """Room to work in."""
    return Scratch(
        hashes=np.zeros((2, CONTEXTS), np.int64),
        bucket=np.zeros(CONTEXTS, np.int64),
        inputs=np.zeros(INPUTS),
        evidence=np.zeros(CHOSEN),
        mixed=np.zeros(CHOSEN + 2),
        places=np.zeros(CHOSEN + 5, np.int64),
        last=np.zeros(PAST, np.int64),
    )


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))
