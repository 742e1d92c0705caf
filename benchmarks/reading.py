"""A new brain reads a text once, in order, by the trainer's own loop and a preset's own settings.

What follows from the clock (checkpoints, samples for the page) is off, so that a busy machine reads the same. Nothing
is held out and nothing read twice: every byte is scored once, before it is learned from. Whatever else the preset does
stays: lanes, replay, vital signs, growth, sleep.

`python -m benchmarks.reading PRESET… [--bytes N]` shows what the first bytes of enwik8 cost, by one thread.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.own_process import CallResult, call_in_own_process
from benchmarks.texts import take

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.ports import Brain, StepReport
    from daemon.trainer.life.ending import Ending
    from daemon.trainer.parts import Parts

ONCE = {
    "stream.at_end": "wait",
    "stream.held_out_share": 0.0,
    "checkpoint.every_seconds": 1e6,
    "sample.max_bytes": 0,
}
LOOKS_IN_VAIN = 10  # of a second each, for more to read; then the stream has passed some of the text over


@dataclass
class Reading:
    """What reading a text came to, a value a step.

    Attributes:
        nats: what the step's bytes cost the network alone.
        mixed_bits: what they cost the network and the exact memory together; nan without one.
        num_bytes: how many they are.
        seconds: the whole step took.
        cpu_seconds: all steps took, of all threads.
        threads: of torch, at the end.
        further: what was asked of the brain afterwards.
    """

    nats: list[float] = field(default_factory=list)
    mixed_bits: list[float] = field(default_factory=list)
    num_bytes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    threads: int = 1
    further: Any = None

    @property
    def remembers(self) -> bool:
        """Whether there was an exact memory."""
        return not any(map(math.isnan, self.mixed_bits))

    @property
    def network_bpc(self) -> float:
        """Bits per byte of all bytes, by the network alone."""
        return sum(self.nats) / sum(self.num_bytes) / math.log(2)

    @property
    def mixed_bpc(self) -> float:
        """Bits per byte of all bytes, by both memories."""
        return sum(self.mixed_bits) / sum(self.num_bytes)

    @property
    def bytes_a_cpu_second(self) -> float:
        """Of the whole step."""
        return sum(self.num_bytes) / self.cpu_seconds

    def note(self, report: StepReport) -> None:
        """A step was learned from."""
        self.nats.append(report.loss * report.num_bytes if report.num_bytes else 0.0)
        self.num_bytes.append(report.num_bytes)
        mixed = report.metrics.get("mixed_bpc", math.nan if report.num_bytes else 0.0)
        self.mixed_bits.append(mixed * report.num_bytes)

    def cumulative(self, of: list[float], parts: int = 20) -> list[float]:
        """What all bytes so far cost each on the average, at each twentieth of the steps."""
        ends = sorted({len(of) * part // parts for part in range(1, parts + 1)} - {0})
        return [sum(of[:end]) / sum(self.num_bytes[:end]) for end in ends]


@dataclass(frozen=True, kw_only=True)
class Until:
    """Where reading ends: at the end of the text, or sooner."""

    num_bytes: int | None = None
    cpu_seconds: float | None = None


def read(
    text: bytes,
    preset: str,
    overrides: Mapping[str, Any],
    *,
    until: Until | None = None,
    then: Callable[[Brain], Any] | None = None,
) -> CallResult[Reading]:
    """Read a text in a process of its own, as polite as a trainer's.

    Args:
        text: whole characters.
        preset: of a run.
        overrides: of its settings.
        until: it reads no further than this.
        then: what is asked of the brain afterwards; it can be pickled.

    Raises:
        RuntimeError: not every byte was scored once, or something failed in the other process.
    """
    return call_in_own_process(read_here, text, preset, overrides, until=until, then=then, settled=True)


def read_here(
    text: bytes,
    preset: str,
    overrides: Mapping[str, Any],
    *,
    until: Until | None = None,
    then: Callable[[Brain], Any] | None = None,
    settled: bool = False,
) -> Reading:
    """As `read`, in this process; `settled` makes it a trainer's first, before torch is loaded."""
    if settled:
        from daemon.trainer.process import settle_process  # noqa: PLC0415 - torch reads what it sets

        settle_process()

    from benchmarks.lone_loop import lone_loop  # noqa: PLC0415 - these load torch
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    until = until or Until()
    with tempfile.TemporaryDirectory(prefix="synapsed-reading-") as folder:
        path = Path(folder) / "text.txt"
        path.write_bytes(text)
        settings = {**overrides, **ONCE, "stream.data": [str(path)]}
        config = resolve_config(preset=preset, overrides=settings, environ={})
        with lone_loop(Path(folder) / "home", config) as (parts, _):
            compile_memory(parts.brain)
            found = follow(parts, min(len(text), until.num_bytes or len(text)), until.cpu_seconds or math.inf)
            found.further = None if then is None else then(parts.brain)
    if until == Until() and sum(found.num_bytes) != len(text):
        raise RuntimeError(f"{sum(found.num_bytes):,} bytes were scored of {len(text):,}")
    return found


def follow(parts: Parts, num_bytes: int, cpu_seconds: float) -> Reading:
    """Run the loop until `num_bytes` are read or `cpu_seconds` are spent."""
    import torch  # noqa: PLC0415

    from daemon.trainer.life.ending import Ending  # noqa: PLC0415
    from daemon.trainer_protocol import RunState  # noqa: PLC0415

    found, brain = Reading(), parts.brain
    learn, read_so_far, num_steps, in_vain = brain.learn, 0, 0, 0
    last, cpu_began = time.perf_counter(), time.process_time()

    def noted(batch: Any) -> StepReport:
        nonlocal read_so_far
        report = learn(batch)
        found.note(report)
        read_so_far += report.num_bytes
        return report

    def look() -> Ending | None:
        nonlocal last, num_steps, in_vain
        now = time.perf_counter()
        found.seconds.append(now - last)
        last = now
        found.cpu_seconds = time.process_time() - cpu_began
        in_vain = 0 if parts.sleeping.asleep or len(found.nats) > num_steps else in_vain + 1
        num_steps = len(found.nats)
        if read_so_far >= num_bytes or found.cpu_seconds >= cpu_seconds or in_vain > LOOKS_IN_VAIN:
            return Ending(state=RunState.FINISHED, reason="read")
        return None

    brain.learn = noted  # type: ignore[method-assign]
    parts.loop.run(look)
    found.threads = torch.get_num_threads()
    found.seconds = found.seconds[1:]  # the first look comes before the first step
    return found


def compile_memory(brain: Any) -> None:
    """Wait until the loops of the exact memory are compiled: that is done once on a machine, not in every run."""
    if getattr(brain.learner, "hippocampus", None) is not None:
        from brain.memory.hippocampus.compiled import loops  # noqa: PLC0415

        loops().wait()


def main() -> None:
    """Print bits per byte and CPU seconds of each preset."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description="Read enwik8 once.")
    parser.add_argument("presets", nargs="+", metavar="PRESET")
    parser.add_argument("--bytes", type=int, default=65_536, metavar="N")
    chosen = parser.parse_args()
    text = take("enwik8", chosen.bytes).data
    for preset in chosen.presets:
        found = read(text, preset, {"threads": 1}).value
        both = f"{found.mixed_bpc:.3f}" if found.remembers else "–"
        print(
            f"{preset}: {found.network_bpc:.3f} bits per byte by the network alone, {both} with the exact memory, "
            f"{found.cpu_seconds:.1f} CPU seconds",
            flush=True,
        )


if __name__ == "__main__":
    main()
