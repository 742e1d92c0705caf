"""How well the default brain predicts a text that it reads once, in order, and at what pace it reads.

The text is the beginning of enwik8 where it lies beside the checkout, else the standard library's source. It is cut
into as many parts as the default preset has rows; each lane reads one part from its beginning to its end. BPC is
prequential and cumulative: what all bytes cost, each before it was learned from, over their number, the first ones
of an untrained brain included. Beside it stand compressors that read the same text whole, in order. No replay, no
sleep. Of the first megabyte it is also said what its bytes cost the network and the exact memory together.
"""

from __future__ import annotations

import math
import statistics
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compressors import Compressed, compress
from benchmarks.result import Result, judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from brain.ports import Batch
    from daemon.config.tree import RunConfig

TEXT = Path(__file__).parents[2] / "shared" / "data" / "text" / "enwik8_prefix_4M.bin"
SHORT_BYTES, TEXT_BYTES = 1_000_000, 4_154_399
MEMORY_MIB = 128
LAST = 200
LAST_BPC_AT_MOST = 3.2
STEP_SECONDS_AT_MOST = 0.180  # 10,000 steps in 30 minutes
BYTES_A_CPU_SECOND_AT_LEAST = 11_000.0  # that pace on two cores


@dataclass
class Reading:
    """What reading a text came to, a value a step."""

    nats: list[float] = field(default_factory=list)  # summed over the step's bytes
    mixed_bits: list[float] = field(
        default_factory=list
    )  # the same with the exact memory, where there is one
    num_bytes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def bpc(self, first: int = 0) -> float:
        """Bits per byte over the steps from `first` on."""
        return sum(self.nats[first:]) / sum(self.num_bytes[first:]) / math.log(2)

    def cumulative(self, parts: int = 20) -> list[float]:
        """Bits per byte of all bytes so far, at each twentieth."""
        ends = sorted({len(self.nats) * part // parts for part in range(1, parts + 1)} - {0})
        return [sum(self.nats[:end]) / sum(self.num_bytes[:end]) / math.log(2) for end in ends]


def run(*, long: bool) -> list[Result]:
    """The first megabyte, then all of it, each by a new brain; the long form is the same."""
    from daemon.config.loading import resolve_config  # noqa: PLC0415 - loaded in the benchmark's own process

    config = resolve_config(preset="default", environ={})
    text = read_text()
    remembering = resolve_config(
        preset="default", overrides={"brain.hippocampus_mib": MEMORY_MIB}, environ={}
    )
    return [
        *judge_both("learning.first_megabyte", text[:SHORT_BYTES], remembering, long=long),
        *judge("learning", text, config, long=long),
    ]


def judge_both(name: str, text: bytes, config: RunConfig, *, long: bool) -> list[Result]:
    """BPC of the network alone, and with the exact memory."""
    ours = read(text, config)
    found, skipped = compress(text)
    each = {
        name: ("default preset", ours.bpc()),
        f"{name}.with_memory": (
            f"default preset with an exact memory of {MEMORY_MIB} MiB",
            sum(ours.mixed_bits) / len(text),
        ),
    }
    details = {"bytes": len(text), "steps": len(ours.nats), "skipped": skipped}
    return [
        beside_compressors(row, text, found, of=of, bpc=bpc, long=long, details=details)
        for row, (of, bpc) in each.items()
    ]


def beside_compressors(
    name: str,
    text: bytes,
    found: Mapping[str, Compressed],
    *,
    of: str,
    bpc: float,
    long: bool,
    details: Mapping[str, Any],
) -> Result:
    """What each byte of a text that was read once cost, beside compressors of the same text."""
    return judged(
        name,
        measures=f"prequential BPC of all bytes of {len(text) / 1e6:.3g} MB read once, {of}",
        ours=bpc,
        peers={peer: by.bpc for peer, by in found.items()},
        unit="bits per byte",
        at_most=1.0,
        of="ratio",
        long=long,
        details=details,
    )


def judge(name: str, text: bytes, config: RunConfig, *, long: bool) -> list[Result]:
    """BPC of the whole text and of the last steps, bytes a CPU second, seconds a step."""
    ours = read(text, config)
    found, skipped = compress(text)
    megabytes = f"{len(text) / 1e6:.3g} MB"
    details = {"bytes": len(text), "steps": len(ours.nats), "skipped": skipped}
    return [
        beside_compressors(
            f"{name}.bpc",
            text,
            found,
            of="default preset",
            bpc=ours.bpc(),
            long=long,
            details={**details, "cumulative": ours.cumulative()},
        ),
        judged(
            f"{name}.last_steps",
            measures=f"prequential BPC of the last {LAST} of {len(ours.nats)} steps alone, which no compressor's "
            "figure is to be compared with",
            ours=ours.bpc(-LAST),
            unit="bits per byte",
            at_most=LAST_BPC_AT_MOST,
            long=long,
        ),
        judged(
            f"{name}.cpu",
            measures=f"bytes a CPU second, learning or compressing {megabytes}",
            ours=len(text) / ours.cpu_seconds,
            peers={peer: len(text) / max(of.cpu_seconds, 1e-9) for peer, of in found.items()},
            unit="B/s",
            at_least=BYTES_A_CPU_SECOND_AT_LEAST,
            long=long,
        ),
        judged(
            f"{name}.pace",
            measures="seconds a step of the default preset, learning alone",
            ours=statistics.median(ours.seconds),
            unit="s",
            at_most=STEP_SECONDS_AT_MOST,
            long=long,
            details={"mean": statistics.fmean(ours.seconds)},
        ),
    ]


def read(text: bytes, config: RunConfig) -> Reading:
    """A new brain of the preset reads the text once."""
    import torch  # noqa: PLC0415

    from brain.build import newborn  # noqa: PLC0415

    brain = newborn(
        config.brain,
        optimizer=config.optimizer,
        lanes=config.stream.rows,
        device=torch.device("cpu"),
        seed=0,
    )
    found, began = Reading(), time.process_time()
    for batch in batches(text, config.stream.rows, config.stream.segment_bytes):
        step_began = time.perf_counter()
        report = brain.learn(batch)
        found.seconds.append(time.perf_counter() - step_began)
        found.nats.append(report.loss * report.num_bytes)
        found.num_bytes.append(report.num_bytes)
        found.mixed_bits.append(report.metrics.get("mixed_bpc", math.nan) * report.num_bytes)
    found.cpu_seconds = time.process_time() - began
    if sum(found.num_bytes) != len(text):
        raise RuntimeError(f"{sum(found.num_bytes):,} bytes were scored of {len(text):,}")
    return found


def batches(text: bytes, rows: int, width: int) -> Iterator[Batch]:
    """The text in `rows` parts side by side, `width` bytes of each at a time; every byte once."""
    import torch  # noqa: PLC0415

    from brain.ports import Batch  # noqa: PLC0415

    part = -(-len(text) // rows)
    steps = -(-part // width)
    laid = np.zeros((rows, steps * width), np.uint8)
    valid = np.zeros((rows, steps * width), np.bool_)
    for row in range(rows):
        own = np.frombuffer(text[row * part : (row + 1) * part], np.uint8)
        laid[row, : len(own)], valid[row, : len(own)] = own, True
    for step in range(steps):
        within = slice(step * width, (step + 1) * width)
        yield Batch(
            bytes=torch.from_numpy(laid[:, within].copy()),
            mask=torch.from_numpy(valid[:, within].copy()),
            lane=torch.arange(rows),
            reset=torch.full((rows,), step == 0),
            source=torch.zeros(rows, dtype=torch.int64),
        )


def read_text() -> bytes:
    """The beginning of enwik8, or as much of the standard library's source."""
    if TEXT.exists():
        return TEXT.read_bytes()[:TEXT_BYTES]
    modules = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    text = bytearray()
    for path in modules:
        text += path.read_bytes()
        if len(text) >= TEXT_BYTES:
            break
    return bytes(text[:TEXT_BYTES])
