"""The prediction of a bit from all that is known of its prefix, and what is learned from the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.jit import jitable
from brain.memory.hippocampus.context_tables import (
    BIAS,
    BRANCHED,
    BRANCHINGS,
    BY_EXPECTED,
    BY_LAST,
    BY_MATCH,
    BY_SECOND,
    CELL,
    CELLS,
    CHOSEN,
    CLASS,
    CONTEXTS,
    EDGE,
    EXPECTED,
    INPUTS,
    KINDS,
    LONG,
    MASK,
    MATCHING,
    NEAREST,
    NETWORK,
    ORDER1,
    ORDERS,
    PAIR,
    ROW,
    SETTLED,
    STEPS,
    SUM,
    UNSURE,
    WORD_KNOWN,
    WORDS,
)
from brain.memory.hippocampus.prefix import expects, node_of

if TYPE_CHECKING:
    from brain.memory.hippocampus.context_tables import Constants, Rates, Scratch, Tables

FARTHEST = 12.0  # that one gate goes in the logistic domain


@jitable
def predict_bit(
    tables: Tables, constants: Constants, scratch: Scratch, bits: int, left: int, network: float
) -> float:
    """Probability that the next bit is a one.

    Args:
        tables: looked at.
        constants: tables that never change.
        scratch: of this byte; the inputs are left in it.
        bits: those so far, behind a one.
        left: bits of the byte that are to come, this one included.
        network: what the network gives a one.
    """
    inputs, places = scratch.inputs, scratch.places
    node, matched = node_of(bits, left), 0
    for context in range(CONTEXTS):
        bucket = int(scratch.bucket[context])
        history = int(tables.buckets[bucket, node]) if bucket >= 0 else 0
        inputs[2 * context], inputs[2 * context + 1] = 0.0, 0.0
        if history != 0:
            meant = tables.meaning[context, history]
            inputs[2 * context] = stretch(constants, meant)
            inputs[2 * context + 1] = (meant - 0.5) * 3.0
            if context < len(ORDERS):
                matched = context + 1
            elif context == WORDS:
                matched += WORD_KNOWN
    row = (int(scratch.last[0]) << 8) | bits
    inputs[ORDER1] = stretch(constants, tables.order1[row])
    kind = 0
    inputs[MATCHING], inputs[MATCHING + 1] = 0.0, 0.0
    if expects(scratch, bits, left):
        kind = int(places[CLASS])
        goes_on = tables.matches[kind]
        sign = 1.0 if (int(places[EXPECTED]) >> (left - 1)) & 1 else -1.0
        inputs[MATCHING] = sign * stretch(constants, goes_on)
        inputs[MATCHING + 1] = sign * (goes_on - 0.5) * 4.0
    inputs[BIAS] = 0.4
    inputs[NETWORK] = stretch(constants, network)
    places[0], places[1], places[2] = bits, BY_MATCH + kind * KINDS + matched, BY_LAST + int(scratch.last[0])
    places[3] = BY_SECOND + int(scratch.last[1])
    places[4] = BY_EXPECTED + ((left - 1) << 8 | max(int(places[EXPECTED]), 0))
    return _corrected(tables, constants, scratch, row, _mixed(tables, constants, scratch))


@jitable
def _mixed(tables: Tables, constants: Constants, scratch: Scratch) -> float:
    """What five gates predict, each trusted as far as match and known contexts have taught, in the logistic domain."""
    inputs, places, evidence, gates = scratch.inputs, scratch.places, scratch.evidence, tables.gates
    total, known = 0.0, int(places[1]) - BY_MATCH
    for which in range(CHOSEN):
        gate, value = int(places[which]), 0.0
        for number in range(INPUTS):
            value += gates[gate, number] * inputs[number]
        evidence[which] = min(max(value, -FARTHEST), FARTHEST)
        scratch.mixed[which] = squash(constants, value)
        total += tables.trust[known, which] * evidence[which]
    scratch.mixed[SUM] = total
    scratch.mixed[SETTLED] = total
    if _disputed(scratch):
        disputes, kind = tables.disputes, int(places[CLASS])
        scratch.mixed[SETTLED] = disputes[kind, 0] * total + disputes[kind, 1] * inputs[MATCHING]
    return float(scratch.mixed[SETTLED])


@jitable
def _disputed(scratch: Scratch) -> bool:
    """Whether all else is unsure of what a long match expects, or against it, and nothing is against the match."""
    kind, expected = int(scratch.places[CLASS]), scratch.inputs[MATCHING]
    if kind < LONG or kind % BRANCHINGS == BRANCHED or expected == 0.0:
        return False
    agreed = scratch.mixed[SUM] if expected > 0.0 else -scratch.mixed[SUM]
    return bool(agreed < UNSURE)


@jitable
def _corrected(tables: Tables, constants: Constants, scratch: Scratch, row: int, mean: float) -> float:
    """The mixed prediction, averaged with what it has come to mean behind the last bytes."""
    maps, places = tables.maps, scratch.places
    bound = min(max(mean, -EDGE + 0.01), EDGE - 0.01)
    place = (bound + EDGE) * ((CELLS - 1) / (2 * EDGE))
    low = int(place)
    share = place - low
    pair = (row * 0x2C1B3C6D + int(scratch.last[1]) * 0x297A2D39) & MASK
    pair = (pair ^ (pair >> 15)) & 65535
    places[ROW], places[PAIR] = row, pair
    places[CELL] = low + 1 if share > 0.5 else low
    behind_one = float(maps[0, row, low]) * (1.0 - share) + float(maps[0, row, low + 1]) * share
    behind_two = float(maps[1, pair, low]) * (1.0 - share) + float(maps[1, pair, low + 1]) * share
    final = (squash(constants, mean) + behind_one + 2.0 * behind_two) / 4.0
    return min(max(final, NEAREST), 1.0 - NEAREST)


@jitable
def memory_share(tables: Tables, scratch: Scratch) -> float:
    """How much of the evidence for the bit just predicted came from memory, from 0 to 1."""
    network, known = 0.0, int(scratch.places[1]) - BY_MATCH
    for which in range(CHOSEN):
        network += tables.trust[known, which] * tables.gates[int(scratch.places[which]), NETWORK]
    network *= scratch.inputs[NETWORK]
    memory, network = abs(scratch.mixed[SUM] - network), abs(network)
    return memory / (memory + network) if memory + network > 0.0 else 0.0


@jitable
def learn_bit(
    tables: Tables, constants: Constants, scratch: Scratch, rates: Rates, bits: int, left: int, bit: int
) -> None:
    """Learn from the bit that came, after `predict_bit`; `bits` are those before it."""
    places, cell, node = scratch.places, int(scratch.places[CELL]), node_of(bits, left)
    if _disputed(scratch):
        disputes, kind = tables.disputes, int(places[CLASS])
        missed = (bit - squash(constants, scratch.mixed[SETTLED])) * rates.disputes
        disputes[kind, 0] += missed * scratch.mixed[SUM]
        disputes[kind, 1] += missed * scratch.inputs[MATCHING]
    missed = (bit - squash(constants, scratch.mixed[SUM])) * rates.trust
    for which in range(CHOSEN):
        tables.trust[int(places[1]) - BY_MATCH, which] += missed * scratch.evidence[which]
    for which in range(CHOSEN):
        gate = int(places[which])
        step = (bit - scratch.mixed[which]) * rates.gates
        for number in range(INPUTS):
            tables.gates[gate, number] += step * scratch.inputs[number]
    row, pair = int(places[ROW]), int(places[PAIR])
    known = float(tables.maps[0, row, cell])
    tables.maps[0, row, cell] = known + (bit - known) * rates.maps
    known = float(tables.maps[1, pair, cell])
    tables.maps[1, pair, cell] = known + (bit - known) * rates.maps
    tables.order1[row] += (bit - tables.order1[row]) * rates.order1
    for context in range(CONTEXTS):
        bucket = int(scratch.bucket[context])
        history = int(tables.buckets[bucket, node])
        tables.meaning[context, history] += (bit - tables.meaning[context, history]) * rates.meaning
        tables.buckets[bucket, node] = constants.follows[history, bit]
    if expects(scratch, bits, left):
        kind = int(places[CLASS])
        hit = 1.0 if (int(places[EXPECTED]) >> (left - 1)) & 1 == bit else 0.0
        tables.matches[kind] += (hit - tables.matches[kind]) * rates.matches


@jitable
def stretch(constants: Constants, probability: float) -> float:
    """ln(p / (1 − p)) within ± 8, looked up."""
    table = constants.stretched
    place = probability * STEPS
    low = min(int(place), STEPS - 1)
    return float(table[low] + (table[low + 1] - table[low]) * (place - low))


@jitable
def squash(constants: Constants, value: float) -> float:
    """1 / (1 + e⁻ˣ), looked up; beyond ± 8 that of ± 8."""
    table = constants.squashed
    place = max((value + EDGE) * (STEPS / (2 * EDGE)), 0.0)
    if place >= STEPS:
        return float(table[STEPS])
    low = int(place)
    return float(table[low] + (table[low + 1] - table[low]) * (place - low))
