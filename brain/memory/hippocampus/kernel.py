"""What the hippocampus does with a byte, bit by bit, as plain loops over arrays.

These functions run as they stand, or compiled by Numba, which is some hundred times faster and gives the same numbers:
they take nothing but integers below 2⁶² and sums and products of doubles, and look exponentials up in tables.

For each bit, from the highest: every context says what its history of bits has come to mean, the longest match says
which byte followed it, the network says what it expects of the bits so far. A gated sum of all of them in the logistic
domain, chosen by what is known of the prefix, is the prediction; two adaptive maps correct it. All of it is learned
from the bit, after it was predicted.

Source: Mahoney 2005 (PAQ); Mattern 2012, "Mixing strategies in data compression".

Shapes: R rows, T bytes of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.jit import jitable
from brain.memory.hippocampus.bit_prediction import learn_bit, memory_share, predict_bit
from brain.memory.hippocampus.context_tables import (
    LENGTH,
    MATCH,
    SECOND_BEFORE,
    SINCE,
    WORD,
    WORD_BEFORE,
)
from brain.memory.hippocampus.prefix import begin_byte, end_byte, find_buckets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from brain.memory.hippocampus.context_tables import Constants, Lanes, Rates, Scratch, Tables


def read_rows(
    tables: Tables,
    lanes: Lanes,
    constants: Constants,
    scratch: Scratch,
    rates: Rates,
    rows: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    lane: NDArray[np.int64],
    reset: NDArray[np.bool_],
    network: NDArray[np.float32],
    learn: bool,
    probability: NDArray[np.float64],
    share: NDArray[np.float64],
) -> None:
    """Predict every byte of the rows, each before it is learned from; rows one after another, in their order.

    Args:
        tables: changed in place, unless `learn` is False.
        lanes: those that read; each is moved behind its row. If `learn` is True, their past is that of the tables.
        constants: tables that never change.
        scratch: room to work in.
        rates: how fast each part learns.
        rows: uint8 (R, T).
        lengths: (R,) bytes of each row.
        lane: (R,) each at most once.
        reset: (R,) whether a row follows on nothing.
        network: float32 (R, T, 8), what the network gives a one at each bit of the byte that came, given those before.
        learn: whether anything is remembered.
        probability: (R, T), filled with the probability of the byte that came.
        share: (R, T), filled with the share of the evidence that came from memory.
    """
    for row in range(rows.shape[0]):
        at = int(lane[row])
        if reset[row]:
            for column in (SINCE, MATCH, LENGTH, WORD, WORD_BEFORE, SECOND_BEFORE):
                lanes.stand[at, column] = 0
        for time in range(int(lengths[row])):
            byte = int(rows[row, time])
            begin_byte(tables, lanes, scratch, at)
            bits, product, shares = 1, 1.0, 0.0
            for left in range(8, 0, -1):
                if left in (8, 4):
                    find_buckets(tables, scratch, bits, learn)
                bit = (byte >> (left - 1)) & 1
                one = predict_bit(tables, constants, scratch, bits, left, float(network[row, time, 8 - left]))
                product *= one if bit else 1.0 - one
                shares += memory_share(tables, scratch)
                if learn:
                    learn_bit(tables, constants, scratch, rates, bits, left, bit)
                bits = bits * 2 + bit
            end_byte(tables, lanes, scratch, at, byte, learn)
            probability[row, time] = product
            share[row, time] = shares / 8.0


def spread(
    tables: Tables,
    lanes: Lanes,
    constants: Constants,
    scratch: Scratch,
    lane: int,
    network: NDArray[np.float64],
    probability: NDArray[np.float64],
) -> None:
    """The probability of every byte that may come next in a lane; changes nothing but the room to work in.

    Args:
        tables: looked at.
        lanes: looked at.
        constants: tables that never change.
        scratch: room to work in.
        lane: which one.
        network: (256,), what the network gives a one behind bits so far, these behind a one.
        probability: (256,), filled.
    """
    begin_byte(tables, lanes, scratch, lane)
    probability[0] = 1.0
    find_buckets(tables, scratch, 1, False)
    spread_half(tables, constants, scratch, 0, 8, network, probability)
    for first in range(0, 256, 16):
        find_buckets(tables, scratch, 16 | (first >> 4), False)
        spread_half(tables, constants, scratch, first, 4, network, probability)


@jitable
def spread_half(
    tables: Tables,
    constants: Constants,
    scratch: Scratch,
    begin: int,
    most: int,
    network: NDArray[np.float64],
    probability: NDArray[np.float64],
) -> None:
    """Share out `probability[begin]` by the next four bits, of `most` that are left; their buckets are found."""
    for left in range(most, most - 4, -1):
        # Those so far stand spread over the array, as far apart as the bytes that each has yet to choose from.
        apart = 1 << left
        for first in range(begin, begin + (1 << most), apart):
            bits = (256 | first) >> left
            one = predict_bit(tables, constants, scratch, bits, left, network[bits])
            probability[first + (apart >> 1)] = probability[first] * one
            probability[first] *= 1.0 - one
