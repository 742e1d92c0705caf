"""What is known of a prefix: the histories of its contexts, and where the longest match continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.jit import jitable
from brain.memory.hippocampus.context_tables import (
    AFTER_ONE,
    AFTER_TWO,
    BRANCHED,
    BRANCHINGS,
    CLASS,
    CONTEXTS,
    EXPECTED,
    HOLES,
    INDIRECT,
    LEAPS,
    LENGTH,
    LENGTHS,
    LONGEST,
    MASK,
    MATCH,
    MATCHED,
    MULTIPLIERS,
    NODES,
    ORDERS,
    PAIRS,
    PAST,
    READ,
    SECOND_BEFORE,
    SINCE,
    SKIPS,
    WAYS,
    WORD,
    WORD_BEFORE,
    WORDS,
)

if TYPE_CHECKING:
    from brain.memory.hippocampus.context_tables import Lanes, Scratch, Tables


@jitable
def begin_byte(tables: Tables, lanes: Lanes, scratch: Scratch, lane: int) -> None:
    """Hash the contexts of the byte to come, and find where the longest match continues."""
    last, hashes = scratch.last, scratch.hashes
    size = lanes.past.shape[1]
    read, since = int(lanes.stand[lane, READ]), int(lanes.stand[lane, SINCE])
    for back in range(PAST):
        last[back] = int(lanes.past[lane, (read - 1 - back) % size]) if back < since else 0
    for which in range(2):
        multiplier = MULTIPLIERS[which]
        value, taken = 0, 0
        for context in range(len(ORDERS)):
            while taken < ORDERS[context]:
                value = ((value + int(last[taken]) + 1) * multiplier) & MASK
                value ^= value >> 15
                taken += 1
            hashes[which, context] = ((value + context + 1) * multiplier) & MASK
        word, before = int(lanes.stand[lane, WORD]), int(lanes.stand[lane, WORD_BEFORE])
        value = ((word + int(last[0]) * 0x3D4D51) * multiplier) & MASK
        hashes[which, WORDS] = finished(value, multiplier)
        value = (((before ^ (before >> 11)) + word + 1) * multiplier) & MASK
        hashes[which, PAIRS] = finished(value, multiplier)
        second = int(lanes.stand[lane, SECOND_BEFORE])
        value = (((second ^ (second >> 9)) + word * 3 + 77) * multiplier) & MASK
        hashes[which, LEAPS] = finished(value, multiplier)
        value = ((int(last[1]) << 16 | int(last[2]) << 8 | int(last[3])) * 0x19660D + 1) & MASK
        hashes[which, SKIPS] = finished(value, multiplier)
        value = ((int(last[0]) << 16 | int(last[2]) << 8 | int(last[3])) * 0x2545F5 + 9) & MASK
        hashes[which, HOLES] = finished(value, multiplier)
        value = ((int(tables.after_one[last[0]]) << 8 | int(last[0])) * 0x3545F5 + 5) & MASK
        hashes[which, AFTER_ONE] = finished(value, multiplier)
        value = (
            (int(tables.after_two[int(last[1]) << 8 | int(last[0])]) << 8 | int(last[0])) * 0x4545F5 + 3
        ) & MASK
        hashes[which, AFTER_TWO] = finished(value, multiplier)
    _look_for_match(tables, lanes, scratch, lane)


@jitable
def finished(value: int, multiplier: int) -> int:
    """A hash whose high bits have come down into its low ones."""
    return ((value ^ (value >> 13)) * multiplier) & MASK


@jitable
def _look_for_match(tables: Tables, lanes: Lanes, scratch: Scratch, lane: int) -> None:
    """Begin a match where there is none, and leave which byte it expects."""
    past, stand, places = tables.past, lanes.stand, scratch.places
    size, own_size = past.shape[1], lanes.past.shape[1]
    read, since, length = int(stand[lane, READ]), int(stand[lane, SINCE]), int(stand[lane, LENGTH])
    if length == 0 and since >= MATCHED:
        found = int(tables.heads[match_hash(scratch) & (tables.heads.shape[0] - 1)]) - 1
        if found >= 0:
            other, place = found // size, found % size
            most = min(LONGEST, since, size - 1, own_size - 1)
            while (
                length < most
                and past[other, (place - 1 - length) % size]
                == lanes.past[lane, (read - 1 - length) % own_size]
            ):
                length += 1
            if length < MATCHED:
                length = 0
            stand[lane, MATCH], stand[lane, LENGTH] = found + 1, length
    places[EXPECTED], places[CLASS] = -1, 0
    if length > 0:
        found = int(stand[lane, MATCH]) - 1
        places[EXPECTED] = int(past[found // size, found % size])
        places[CLASS] = class_of(length, int(tables.branches[found // size, found % size]))


@jitable
def class_of(length: int, branches: int) -> int:
    """Of a match by its length, and by the longest context behind which another byte has come."""
    if length < 16:
        of_length = length
    elif length < 32:
        of_length = 16 + (length - 16) // 4
    else:
        of_length = min(LENGTHS - 1, 20 + (length - 32) // 32)
    branching = 0 if branches == 0 else BRANCHED if branches >= min(length, 255) else 1
    return of_length * BRANCHINGS + branching


@jitable
def match_hash(scratch: Scratch) -> int:
    """Of the last six bytes."""
    value = 0
    for back in range(MATCHED):
        value = ((value + int(scratch.last[back]) + 1) * MULTIPLIERS[0]) & MASK
        value ^= value >> 15
    return value


@jitable
def expects(scratch: Scratch, bits: int, left: int) -> bool:
    """Whether there is a match whose byte began with the bits so far."""
    expected = int(scratch.places[EXPECTED])
    return expected >= 0 and (expected | 256) >> left == bits


@jitable
def find_buckets(tables: Tables, scratch: Scratch, bits: int, learn: bool) -> None:
    """Where the histories of each context and this half of the byte stand; `bits` so far, behind a one.

    A context that is new takes the least used of three buckets, if it is to be learned.
    """
    buckets = tables.buckets
    indirect = buckets.shape[0] // INDIRECT
    direct = buckets.shape[0] - indirect
    for context in range(CONTEXTS):
        key = (((int(scratch.hashes[0, context]) ^ (bits * 0x1F3D5B79)) & MASK) * MULTIPLIERS[0]) & MASK
        place = key ^ (key >> 14)
        place = place & (direct - 1) if context < AFTER_ONE else direct + (place & (indirect - 1))
        key = (((int(scratch.hashes[1, context]) ^ (bits * 0x0E4F2A35)) & MASK) * MULTIPLIERS[1]) & MASK
        check = (key >> 17) & 255
        found, least, victim = -1, 256, 0
        for way in range(WAYS):
            bucket = place ^ way  # stays in its part: both are powers of two
            used = int(buckets[bucket, 1])
            if used != 0 and int(buckets[bucket, 0]) == check:
                found = bucket
                break
            if used < least:
                least, victim = used, bucket
        if found < 0 and learn:
            found = victim
            buckets[found, 0] = check
            for node in range(1, NODES):
                buckets[found, node] = 0
        scratch.bucket[context] = found


@jitable
def node_of(bits: int, left: int) -> int:
    """The place of a bit within its half of the byte, from 1 to 15."""
    behind = (left - 1) & 3
    return (bits & ((1 << (3 - behind)) - 1)) | (1 << (3 - behind))


@jitable
def _branches_at(tables: Tables, lanes: Lanes, scratch: Scratch, lane: int, byte: int) -> int:
    """The longest context of a byte behind which another has come, as its match shows; noted there, too."""
    size, length = tables.past.shape[1], int(lanes.stand[lane, LENGTH])
    if length == 0:
        return 0
    found = int(lanes.stand[lane, MATCH]) - 1
    branches = int(tables.branches[found // size, found % size])
    if int(scratch.places[EXPECTED]) != byte:
        branches = max(branches, min(length, 255))
        tables.branches[found // size, found % size] = branches
    return branches


@jitable
def end_byte(tables: Tables, lanes: Lanes, scratch: Scratch, lane: int, byte: int, learn: bool) -> None:
    """Move past a byte and, if learning, note its place behind the six bytes before it."""
    stand = lanes.stand
    size, own_size, read = tables.past.shape[1], lanes.past.shape[1], int(stand[lane, READ])
    if learn:
        if int(stand[lane, SINCE]) >= MATCHED:
            tables.heads[match_hash(scratch) & (tables.heads.shape[0] - 1)] = lane * size + read % size + 1
        one = int(scratch.last[0])
        two = int(scratch.last[1]) << 8 | one
        tables.after_one[one] = (int(tables.after_one[one]) << 8 | byte) & 0xFFFF
        tables.after_two[two] = (int(tables.after_two[two]) << 8 | byte) & 0xFFFF
    if learn:
        tables.branches[lane, read % size] = _branches_at(tables, lanes, scratch, lane, byte)
    lanes.past[lane, read % own_size] = byte
    stand[lane, READ] = read + 1
    stand[lane, SINCE] = int(stand[lane, SINCE]) + 1
    length = int(stand[lane, LENGTH])
    if length > 0:
        found = int(stand[lane, MATCH]) - 1
        goes_on = int(scratch.places[EXPECTED]) == byte
        stand[lane, MATCH] = (found // size) * size + (found + 1) % size + 1 if goes_on else 0
        stand[lane, LENGTH] = min(length + 1, LONGEST) if goes_on else 0
    letter, word = byte | 32 if byte < 128 else byte, int(stand[lane, WORD])
    if byte >= 128 or 97 <= letter <= 122:
        stand[lane, WORD] = ((word + letter) * MULTIPLIERS[0] + 1) & MASK
    elif word != 0:
        stand[lane, SECOND_BEFORE] = stand[lane, WORD_BEFORE]
        stand[lane, WORD], stand[lane, WORD_BEFORE] = 0, word
