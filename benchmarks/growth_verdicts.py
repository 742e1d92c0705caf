"""Growth that is judged, on text that gets harder and on text that does not, beside fixed sizes at equal CPU seconds.

Text of a few made-up languages: a language is a table of which of 16 letters mostly follows which, and each row begins
with the sign that names its language. The steady stream has two of them from first to last; the harder one has 2, 4, 8,
16, then 32. A brain that begins with few units reads the stream through the growth of the trainer. Beside it stand the
same brain at its first size, with all the units that it may have, and one that grows without verdicts.

Each may spend, step by step, the CPU seconds of the largest: what a step leaves over goes to batches read before, which
are learned again and not scored. A trial with its twin counts as ours. Compared are losses over the last quarter.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.result import Result, judged
from brain.averaging.config import AveragingConfig
from brain.build import fresh_brain
from brain.capabilities import Growable
from brain.growth.apply import apply_growth
from brain.growth.config import GrowthConfig
from brain.growth.decision import plan_by_hand
from brain.optim.config import OptimizerConfig
from brain.ports import Batch
from daemon.trainer.growth.growth_state import GrowthState
from daemon.trainer.growth.growth_trial import Trials
from daemon.trainer.growth.neurogenesis import Growing
from daemon.trainer.growth.site_signals import SiteSignals
from daemon.trainer.state.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from brain.ports import Brain
    from daemon.events import Event

STEPS, STEPS_LONG = 1500, 20_000
ROWS, LENGTH = 4, 32
LETTERS, FIRST_LETTER, FIRST_NAME, LIKELY = 16, 97, 33, 0.85
HARDER, STEADY = (2, 4, 8, 16, 32), (2,)
FEW, RATIO = 16, 16  # units of a site at first, and how many times that it may have
KEPT = 256  # batches that can be learned again
BRAIN = {
    "kind": "synapse",
    "hidden_size": FEW,
    "layers": ["mingru"],
    "mlp_ratio": 1,
    "bigram_size": 0,
    "self_model_size": 0,
    "precision": "fp32",
}
OPTIMIZER = OptimizerConfig(warmup_steps=50, averaging=AveragingConfig(every_steps=0))
GROWTH = GrowthConfig(
    enabled=True,
    every_steps=50,
    cooldown_steps=100,
    trial_steps=100,
    maturity_steps=100,
    fraction=1.0,
    site_ratio=RATIO,
    recycle_above=1.0,
)
UNJUDGED = GrowthConfig(**{**vars(GROWTH), "trial_steps": 0})
FIRST_SIZE, LAST_SIZE = "first size", "all units from the start"
BY_COOLDOWN = "grown without verdicts"


class Languages:
    """Batches of made-up text, the same for the same seed.

    Args:
        counts: how many languages there are, in each of equally long parts of the stream.
        steps: of the stream.
        seed: of tables and text.
    """

    def __init__(self, counts: Sequence[int], steps: int, seed: int) -> None:
        self._counts, self._steps = counts, steps
        self._draw = np.random.default_rng(seed)
        tables = np.random.default_rng(seed + 1)
        self._likely = tables.integers(LETTERS, size=(max(counts), LETTERS))

    def batch(self, step: int) -> Batch:
        """The batch of a step; steps come in order."""
        known = self._counts[step * len(self._counts) // self._steps]
        language = self._draw.integers(known, size=ROWS)
        rows = np.empty((ROWS, LENGTH), dtype=np.uint8)
        rows[:, 0] = FIRST_NAME + language
        letter = self._draw.integers(LETTERS, size=ROWS)
        for place in range(1, LENGTH):
            rows[:, place] = FIRST_LETTER + letter
            other = self._draw.integers(LETTERS, size=ROWS)
            is_likely = self._draw.random(ROWS) < LIKELY
            letter = np.where(is_likely, self._likely[language, letter], other)
        return Batch(
            bytes=torch.from_numpy(rows),
            mask=torch.ones(ROWS, LENGTH, dtype=torch.bool),
            lane=torch.arange(ROWS),
            reset=torch.ones(ROWS, dtype=torch.bool),
            source=torch.zeros(ROWS, dtype=torch.int64),
        )


@dataclass
class Surroundings:
    """What growth asks of a trainer: nothing is saved, nothing sleeps, events are kept."""

    asleep: bool = False
    woke: int | None = None
    events: list[Event] = field(default_factory=list)

    def may_come_by_itself(self) -> bool:
        """No sleep comes."""
        return False

    def try_save(self, _reason: str) -> None:
        """Nothing is saved."""

    def event(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)

    def point(self, metric: str, step: int, value: float) -> None:
        """Numbers are not kept."""


@dataclass
class Reading:
    """One learner on one stream.

    Attributes:
        bpc: of each step, scored before it was learned.
        seconds: CPU used up to each step.
        neurons: after each step.
        history: what grew.
        learned_again: batches.
    """

    bpc: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    neurons: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    learned_again: int = 0

    @property
    def last_quarter(self) -> float:
        """Mean BPC over the last quarter of the steps."""
        return float(np.mean(self.bpc[-len(self.bpc) // 4 :]))

    def grown_since(self, step: int) -> int:
        """Growths after that step."""
        return sum(record["step"] > step for record in self.history)


def run(*, long: bool) -> list[Result]:
    """1,500 steps; 20,000 with `--long`."""
    torch.set_num_threads(1)
    steps = STEPS_LONG if long else STEPS
    harder, steady = (compare(counts, steps) for counts in (HARDER, STEADY))
    half = steps // 2
    return [
        judged_loss("growth_verdicts.harder", "a stream that gets harder", harder, long=long),
        judged_loss("growth_verdicts.steady", "a stream that stays as it is", steady, long=long),
        judged(
            "growth_verdicts.growths",
            measures="growths in the second half of a stream that stays as it is",
            ours=steady["ours"].grown_since(half),
            unit="growths",
            at_most=1,
            peers={
                "without verdicts": steady[BY_COOLDOWN].grown_since(half),
                "ours where it gets harder": harder["ours"].grown_since(half),
            },
            long=long,
        ),
    ]


def judged_loss(name: str, stream: str, read: dict[str, Reading], *, long: bool) -> Result:
    """Ours beside the others on one stream."""
    ours = read["ours"]
    return judged(
        name,
        measures=f"BPC over the last quarter of {stream}, one seed; peers at equal CPU seconds, {cpu_in_words(read)}",
        ours=ours.last_quarter,
        unit="bits per byte",
        at_most=1.0,
        of="ratio",
        peers={other: reading.last_quarter for other, reading in read.items() if other != "ours"},
        long=long,
        details={
            "steps": len(ours.bpc),
            "CPU seconds": {name: reading.seconds[-1] for name, reading in read.items()},
            "learned again": {name: reading.learned_again for name, reading in read.items()},
            "neurons": {name: reading.neurons[-1] for name, reading in read.items()},
            "growths": [
                {"step": record["step"], "site": record["site"], **record.get("verdict", {})}
                for record in ours.history
            ],
            "curves": {
                name: [float(part.mean()) for part in np.array_split(np.array(reading.bpc), 20)]
                for name, reading in read.items()
            },
        },
    )


def cpu_in_words(read: Mapping[str, Reading]) -> str:
    """What ours spent: it may exceed what it was given, since a trial learns every batch twice.

    >>> cpu_in_words({"ours": Reading(seconds=[1.0, 6.0]), LAST_SIZE: Reading(seconds=[5.0])})
    'ours at 1.20 times as many'
    """
    ratio = read["ours"].seconds[-1] / read[LAST_SIZE].seconds[-1]
    return f"ours at {ratio:.2f} times as many"


def compare(counts: Sequence[int], steps: int, *, seed: int = 0) -> dict[str, Reading]:
    """All learners on the stream of these languages, the largest first: its CPU seconds are everybody's."""
    largest = grown_to_the_limit(seed)
    budget = read(largest, Languages(counts, steps, seed), steps)
    found = {LAST_SIZE: budget}
    for name, config in (("ours", GROWTH), (BY_COOLDOWN, UNJUDGED), (FIRST_SIZE, None)):
        text = Languages(counts, steps, seed)
        found[name] = read(small(seed), text, steps, growth=config, budget=budget.seconds)
    return found


def small(seed: int) -> Brain:
    """A brain of the first size."""
    return fresh_brain(BRAIN, optimizer=OPTIMIZER, lanes=ROWS, device=torch.device("cpu"), seed=seed)


def grown_to_the_limit(seed: int) -> Brain:
    """The same with all units that it may have, before it learned anything."""
    brain = small(seed)
    assert isinstance(brain, Growable)
    for site in brain.sites():
        units = brain.sites()[site].units
        while (now := brain.sites()[site].units) < units * RATIO:
            share = min(1.0, (units * RATIO - now) / now)
            plan = plan_by_hand(brain.sites(), GROWTH, site, share, seed=now)
            apply_growth(brain, plan, max_neurons=GROWTH.max_neurons)
    return brain


def read(
    brain: Brain,
    text: Languages,
    steps: int,
    *,
    growth: GrowthConfig | None = None,
    budget: Sequence[float] | None = None,
) -> Reading:
    """Read the stream once.

    Args:
        brain: that reads.
        text: what it reads.
        steps: how far.
        growth: how it grows; None for not at all.
        budget: CPU seconds up to each step; None for no more than the step takes.
    """
    found, progress, spent = Reading(), Progress(), 0.0
    state = GrowthState()
    growing = None if growth is None else growing_of(brain, growth, progress, state)
    kept: list[Batch] = []
    choose = np.random.default_rng(0)
    for step in range(steps):
        batch = text.batch(step)
        started = time.process_time()
        report = brain.learn(batch)
        bpc = report.loss / math.log(2)
        progress.count(bpc, num_samples=ROWS, seconds=0.0)
        if growing is not None:
            growing.tick(batch, report)
        # A twin must read what its brain reads, so nothing is learned again during a trial.
        while budget is not None and kept and state.trial is None:
            if spent + time.process_time() - started >= budget[step]:
                break
            brain.learn(kept[choose.integers(len(kept))])
            found.learned_again += 1
        spent += time.process_time() - started
        kept = [*kept[-KEPT:], batch]
        found.bpc.append(bpc)
        found.seconds.append(spent)
        found.neurons.append(brain.num_neurons())
    found.history = state.history
    return found


def growing_of(brain: Brain, config: GrowthConfig, progress: Progress, state: GrowthState) -> Growing:
    """Growth as in a trainer."""
    around: Any = Surroundings()
    return Growing(
        state,
        config,
        brain=brain,
        signals=SiteSignals(state, config, seed=0, progress=progress),
        trials=Trials(state, config, brain=brain, clock=progress, report=around),
        progress=progress,
        sleeping=around,
        save=around,
        report=around,
    )
