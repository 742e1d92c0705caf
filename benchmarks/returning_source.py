"""Sources that take turns without a sign: what is left of one when it returns, beside an LSTM.

Five sources, hidden switches and measures as in CALM (`benchmarks/switching.py`): loss, loss in the first ten batches
after a switch, batches until the loss is back below that of the source's last turn; all over the second half of the
stream. Besides, the loss after a switch over what the source cost when it was last left.

A new brain of the default preset learns by the trainer's own loop, ten lanes of 20 bytes and two replayed rows a step.
Nothing tells it of a switch: for its stream all is one source and no lane is reset. CALM's LSTM learns the same live
rows with as many updates; another learns the replayed rows besides, the very same.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.own_process import call_in_own_process
from benchmarks.result import Result, Spread, count_of, judged
from benchmarks.texts import five_sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.switching import Measures, Turn
    from brain.ports import Batch

LANES, REPLAYED, WIDTH = 10, 2, 20
NUM_SOURCES = 5
SEEDS, SEEDS_LONG = (0,), (0, 1, 2)
TURNS, TURNS_LONG = 4, 20  # of each source
MEAN_BATCHES, MEAN_BATCHES_LONG = 12, 50  # of a turn; 10,000 bytes in the long form, as in CALM
RETURNING_AT_MOST = 1.02
RECOVERY_RATIO_AT_MOST = 0.5
SETTINGS = {
    "threads": 1,
    "stream.mix": "round_robin",
    "stream.rows": LANES + REPLAYED,
    "stream.segment_bytes": WIDTH,
    "stream.held_out_share": 0.0,
    "replay.fraction": REPLAYED / (LANES + REPLAYED),
    "checkpoint.every_seconds": 1e6,
    "sample.max_bytes": 0,
    "sleep.every_steps": 0,  # a sleep would be further updates
}
MEASURES = {
    "loss": ("bits per byte over the second half", "bits per byte"),
    "after_switch": ("bits per byte of the first 10 batches after a switch", "bits per byte"),
    "recovery": ("batches until the loss is below that of the source's last turn", "batches"),
    "returning": ("loss of the first 10 batches after a switch over that of the source's last 10", "×"),
}


def run(*, long: bool) -> list[Result]:
    """Means over seeds, each in a process of its own."""
    turns, mean = (TURNS_LONG, MEAN_BATCHES_LONG) if long else (TURNS, MEAN_BATCHES)
    found: dict[str, list[Measures]] = {}
    for seed in SEEDS_LONG if long else SEEDS:
        of_seed = call_in_own_process(
            learn_all, seed, turns=turns, batches=turns * mean, preset="default", overrides={}
        )
        for name, measures in of_seed.value.items():
            found.setdefault(name, []).append(measures)
    num_bytes = NUM_SOURCES * turns * mean * LANES * WIDTH
    return judge(found, num_bytes=num_bytes, long=long)


def judge(found: Mapping[str, Sequence[Measures]], *, num_bytes: int, long: bool) -> list[Result]:
    """Every measure, of both memories where there are two and of the network alone."""
    mean = {
        (name, which): statistics.fmean(getattr(measures, which) for measures in seeds)
        for name, seeds in found.items()
        for which in MEASURES
    }
    peers = [name for name in found if name.startswith("LSTM")]
    num_seeds = max(map(len, found.values()))
    targets = {
        "loss": (1.0, "ratio"),
        "after_switch": (1.0, "ratio"),
        "recovery": (RECOVERY_RATIO_AT_MOST, "ratio"),
        "returning": (RETURNING_AT_MOST, "ours"),
    }
    size = f"{num_bytes // 1000} kB, {count_of(range(num_seeds))}"
    lstm = ", ".join(f"{mean[peer, 'loss']:.2f}" for peer in peers)
    details = {
        "note": f"In {num_bytes // 1000} kB the peers learn little: {lstm} bits per byte over the second half. "
        "`--long` reads 1 MB with each of three seeds.",
        "seeds": {name: [asdict(measures) for measures in seeds] for name, seeds in found.items()},
    }
    return [
        judged(
            f"returning_source.{which}.{name}",
            measures=f"five sources, hidden switches, {size}: {what}; {SERIES[name]}",
            ours=mean[name, which],
            peers={peer: mean[peer, which] for peer in peers},
            unit=unit,
            at_most=targets[which][0],
            of="ratio" if targets[which][1] == "ratio" else "ours",
            long=long,
            details=details,
            spread=Spread.over(
                "seeds",
                [getattr(measures, which) for measures in found[name]],
                {peer: [getattr(measures, which) for measures in found[peer]] for peer in peers},
            ),
        )
        for name in SERIES
        if name in found
        for which, (what, unit) in MEASURES.items()
    ]


SERIES = {"both": "network and exact memory", "network": "network alone"}


def learn_all(
    seed: int, *, turns: int, batches: int, preset: str, overrides: Mapping[str, Any]
) -> dict[str, Measures]:
    """Ours and both LSTMs on the same batches; `batches` of each source, in `turns` turns."""
    from daemon.trainer.process import settle_process  # noqa: PLC0415 - torch reads what it sets

    settle_process()
    return learn_here(seed, turns=turns, batches=batches, preset=preset, overrides=overrides)


def learn_here(
    seed: int, *, turns: int, batches: int, preset: str, overrides: Mapping[str, Any]
) -> dict[str, Measures]:
    """As `learn_all`, in this process as it is."""
    from benchmarks.lstm import LSTMLearner  # noqa: PLC0415 - these load torch
    from benchmarks.switching import draw_turns, measure  # noqa: PLC0415

    texts = five_sources(batches * LANES * WIDTH + 4)  # whole characters: up to three bytes less
    drawn = draw_turns(tuple(texts), turns=turns, batches=batches, seed=seed)
    losses, tape = learn(texts, drawn, seed, preset, overrides)
    for name, replays in (("LSTM", False), ("LSTM, replaying the same rows", True)):
        peer = LSTMLearner(lanes=LANES, replays=replays, seed=seed)
        losses[name] = [peer.learn(batch) for batch in tape]
    return {name: measure(of, drawn) for name, of in losses.items()}


def learn(
    texts: Mapping[str, bytes], turns: Sequence[Turn], seed: int, preset: str, overrides: Mapping[str, Any]
) -> tuple[dict[str, list[float]], list[Batch]]:
    """Bits per byte of every batch, of both memories and of the network alone; and the batches themselves."""
    from benchmarks.lone_loop import lone_loop  # noqa: PLC0415
    from benchmarks.reading import compile_memory, follow  # noqa: PLC0415
    from benchmarks.switching import SwitchingStream  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    switching = SwitchingStream(texts, turns, lanes=LANES, width=WIDTH)
    tape: list[Batch] = []
    with tempfile.TemporaryDirectory(prefix="synapsed-returning-") as folder:
        path = Path(folder) / "stream.txt"
        path.write_bytes(b"".join(texts.values()))  # only to be opened
        settings = {**overrides, **SETTINGS, "seed": seed, "stream.data": [str(path)]}
        config = resolve_config(preset=preset, overrides=settings, environ={})
        with lone_loop(Path(folder) / "home", config) as (parts, _):
            compile_memory(parts.brain)
            parts.stream.next = switching.next  # type: ignore[method-assign, assignment]
            own = parts.brain.learn

            def kept(batch: Batch) -> Any:
                tape.append(batch)
                return own(batch)

            parts.brain.learn = kept  # type: ignore[method-assign]
            found = follow(parts, turns[-1].end * LANES * WIDTH, math.inf)
    each = [number * math.log(2) for number in found.num_bytes]
    losses = {"network": [nats / scale for nats, scale in zip(found.nats, each, strict=True)]}
    if found.remembers:
        losses["both"] = [bits / size for bits, size in zip(found.mixed_bits, found.num_bytes, strict=True)]
    return losses, tape
