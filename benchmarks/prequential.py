"""What a text costs that is read once, in order: by the network alone and with the exact memory, beside compressors.

A new brain of a preset reads each text by the trainer's own loop (`benchmarks/reading.py`): whole, in order, every byte
scored before it is learned from, with the preset's own lanes, replay, vital signs and sleep. Bits per byte are what all
bytes cost over their number, the first ones of an untrained brain included. Beside them stand compressors that read
the same bytes. One thread each, so that CPU seconds hardly depend on what else the machine does.

Besides: the network alone against the default preset as it was before the exact memory, at equal CPU seconds, and facts
that are read once, then asked for behind a megabyte of other text.

The short form reads a little of each text; the goals in bits per byte are for the long one. What is stated and not
measured, of lstm-compress, is marked so.
"""

from __future__ import annotations

import math
import platform
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.compressors import compress
from benchmarks.facts import complete, new_facts, share_completed, with_facts
from benchmarks.reading import Until, read
from benchmarks.result import Result, judged
from benchmarks.texts import MissingTextError, Text, take

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.compressors import Compressed
    from benchmarks.own_process import CallResult
    from benchmarks.reading import Reading
    from brain.ports import Brain

MEGABYTE, WHOLE = 1_000_000, 4_154_399
SHORT_BYTES = 16_000
TEXTS = ("enwik8", "chats", "shakespeare", "russian", "python", "json", "package_log", "made_up_log")
GOALS = {  # bits per byte with the exact memory
    ("default", "enwik8", MEGABYTE): 1.80,
    ("default", "enwik8", WHOLE): 1.70,
    ("quality", "enwik8", WHOLE): 1.65,
}
STATED = {  # from elsewhere; the first took 177 CPU seconds
    ("enwik8", MEGABYTE): {
        "lstm-compress (stated)": 2.410,
        "lstm-compress, English dictionary (stated)": 1.847,
    }
}
ONE_THREAD = {"threads": 1}
BEFORE: Mapping[str, Any] = {  # the default preset of 2026-11-30, before it had an exact memory
    "brain.hidden_size": 128,
    "brain.layers": ["mingru", "attention", "mingru", "attention"],
    "brain.hippocampus_mib": 0,
    "stream.mix": "curious",
    "stream.rows": 32,
    "stream.segment_bytes": 128,
    "stream.stretch_bytes": 1024,
    "replay.fraction": 0.2,
    "optimizer.kind": "muon",
    "optimizer.learning_rate": 3e-3,
    "optimizer.muon_learning_rate": 0.02,
}
TRAIN_BYTES, HELD_OUT_BYTES = 3_654_399, 250_000  # of enwik8, one behind the other
HELD_OUT_ROW_BYTES, ROWS_AT_ONCE = 1000, 16
NETWORK_GAIN = -0.05
CPU_RATIO_AT_LEAST = 1.5


def run(*, long: bool) -> list[Result]:
    """All texts by the default preset; the long form reads more, also by the preset `quality`."""
    return [*of_texts(long=long), *of_cpu_seconds(long=long), *of_facts(long=long)]


# What a text costs.


def of_texts(*, long: bool) -> Iterator[Result]:
    """Two figures for each text and preset; texts that are not here are named."""
    skipped: dict[str, str] = {}
    cases = [("default", name, MEGABYTE if long else SHORT_BYTES) for name in TEXTS]
    if long:
        cases += [("default", "enwik8", WHOLE), ("quality", "enwik8", WHOLE)]
    for preset, name, num_bytes in cases:
        try:
            text = take(name, num_bytes)
        except MissingTextError as error:
            skipped[name] = str(error)
            continue
        suffix = f"{preset}_{name}" + ("_whole" if num_bytes == WHOLE else "")
        stated = STATED.get((name, num_bytes), {})
        yield from judge(
            f"prequential.{suffix}",
            text,
            preset,
            ONE_THREAD,
            goal=GOALS.get((preset, name, num_bytes)),
            stated=stated,
            skipped=skipped,
            long=long,
        )


def judge(
    name: str,
    text: Text,
    preset: str,
    overrides: Mapping[str, Any],
    *,
    goal: float | None = None,
    stated: Mapping[str, float] | None = None,
    skipped: Mapping[str, str] | None = None,
    long: bool,
) -> list[Result]:
    """Bits per byte with both memories, where the preset has two, and by the network alone."""
    ours = read(text.data, preset, overrides)
    found, missing = compress(text.data)
    peers = {**{peer: by.bpc for peer, by in found.items()}, **(stated or {})}
    reading = ours.value
    print(
        f"{name}: network {reading.network_bpc:.3f}, both {reading.mixed_bpc:.3f}, {reading.cpu_seconds:.1f} CPU s"
    )
    series = {"network": ("network alone", reading.network_bpc)}
    if reading.remembers:
        series = {"both": ("network and exact memory", reading.mixed_bpc), **series}
    details = {
        "bytes": len(text.data),
        "sha256": text.sha256,
        "python": platform.python_version(),  # whose standard library it is
        "steps": len(reading.nats),
        "cpu_seconds": {"ours": reading.cpu_seconds, **{peer: by.cpu_seconds for peer, by in found.items()}},
        "peak_bytes": {"ours": ours.peak_bytes, **{peer: by.peak_bytes for peer, by in found.items()}},
        "cumulative": {
            "network": reading.cumulative([nats / math.log(2) for nats in reading.nats]),
            "both": reading.cumulative(reading.mixed_bits) if reading.remembers else None,
        },
        "skipped": {**missing, **(skipped or {})},
        "note": spent(text, preset, ours, found),
    }
    results = []
    for which, (of, bpc) in series.items():
        target = goal if which == "both" or not reading.remembers else None
        results.append(
            judged(
                f"{name}.{which}",
                measures=f"bits per byte of {text.what}, read once: {of}, preset {preset}",
                ours=bpc,
                peers=peers,
                unit="bits per byte",
                at_most=1.0 if target is None else target,
                of="ratio" if target is None else "ours",
                long=long,
                details=details,
            )
        )
    return results


def spent(text: Text, preset: str, ours: CallResult[Reading], found: Mapping[str, Compressed]) -> str:
    """CPU seconds and peak memory of all, in a line."""
    each = [(preset, ours.value.cpu_seconds, ours.peak_bytes)]
    each += [(peer, by.cpu_seconds, by.peak_bytes) for peer, by in found.items()]
    figures = "; ".join(f"{name} {seconds:.3g} s, {peak / 1e6:.0f} MB" for name, seconds, peak in each)
    return f"CPU and peak memory, {text.what}: {figures}."


# What a CPU second brings.


def of_cpu_seconds(*, long: bool) -> list[Result]:
    """Against the default preset as it was, on the same text and machine, by today's code."""
    try:
        text = take("enwik8", TRAIN_BYTES + HELD_OUT_BYTES)
    except MissingTextError:
        text = take("python", 2_000_000)
    held_out = text.data[-HELD_OUT_BYTES if long else -SHORT_BYTES :]
    num_bytes = MEGABYTE if long else SHORT_BYTES
    train = text.data[: len(text.data) - HELD_OUT_BYTES] if long else text.data[: 4 * SHORT_BYTES]
    then = partial(held_out_bpc, text=held_out)
    before = read(train, "default", {**BEFORE, **ONE_THREAD}, until=Until(num_bytes=num_bytes), then=then)
    budget = Until(cpu_seconds=before.value.cpu_seconds)
    now = read(train, "default", ONE_THREAD, until=budget, then=then)
    return judge_cpu(before.value, now.value, of=text.name, long=long)


def judge_cpu(before: Reading, now: Reading, *, of: str, long: bool) -> list[Result]:
    """Bytes a CPU second, and the network at equal CPU seconds."""
    then = "its settings before the exact memory"
    details = {
        "cpu_seconds": before.cpu_seconds,
        "bytes": {then: sum(before.num_bytes), "now": sum(now.num_bytes)},
    }
    return [
        judged(
            "prequential.cpu",
            measures=f"bytes of {of} a CPU second of the whole step, one thread, default preset",
            ours=now.bytes_a_cpu_second,
            peers={then: before.bytes_a_cpu_second},
            unit="B/s",
            at_least=CPU_RATIO_AT_LEAST,
            of="ratio",
            long=long,
            details=details,
        ),
        judged(
            "prequential.network_at_equal_cpu",
            measures=f"held-out bits per byte of {of} by the network alone over those of the default preset's settings "
            f"before the exact memory, after {before.cpu_seconds:.0f} CPU seconds of each",
            ours=now.further - before.further,
            peers={then: 0.0},
            unit="bits per byte",
            at_most=NETWORK_GAIN,
            long=long,
            details={**details, "held_out": {then: before.further, "now": now.further}},
        ),
    ]


def held_out_bpc(brain: Brain, text: bytes) -> float:
    """Bits per byte by the network alone, rows read from a reset state; by the surer of its weights."""
    import torch  # noqa: PLC0415 - of the process that learned

    from daemon.trainer.measures.slow_weights import WEIGHTS, swapped  # noqa: PLC0415

    num_rows = len(text) // HELD_OUT_ROW_BYTES
    rows = torch.frombuffer(bytearray(text[: num_rows * HELD_OUT_ROW_BYTES]), dtype=torch.uint8)
    found = []
    for weights in WEIGHTS:
        nats = 0.0
        with swapped(brain, weights):
            for first in range(0, num_rows, ROWS_AT_ONCE):
                part = rows.view(num_rows, -1)[first : first + ROWS_AT_ONCE]
                nats += float(brain.score(part, torch.ones_like(part, dtype=torch.bool)).sum())
        found.append(nats / len(rows) / math.log(2))
    return min(found)


# What is known at once.


def of_facts(*, long: bool) -> list[Result]:
    """Facts read within the first pages, asked for at the end."""
    try:
        text = take("enwik8", MEGABYTE if long else SHORT_BYTES)
    except MissingTextError:
        text = take("python", MEGABYTE if long else SHORT_BYTES)
    return [judge_facts(text, "default", ONE_THREAD, long=long)]


def judge_facts(text: Text, preset: str, overrides: Mapping[str, Any], *, long: bool) -> Result:
    """Share of the facts that are completed without a mistake; beside it what the network alone completes."""
    facts = new_facts()
    reading = read(with_facts(text.data, facts), preset, overrides, then=partial(complete, facts=facts)).value
    answers: Mapping[str, list[str]] = reading.further
    return judged(
        "prequential.facts",
        measures=f"facts read once among {text.what}, then asked for at its end: completed without a mistake",
        ours=share_completed(answers["both"], facts),
        peers={"network alone": share_completed(answers["network"], facts)},
        unit="%",
        at_least=100.0,
        long=long,
        details={
            "asked": [fact.prompt for fact in facts],
            "expected": [fact.answer for fact in facts],
            "answers": answers,
            "note": "No peer answers questions about what it has read once; the network alone is the control.",
        },
    )
