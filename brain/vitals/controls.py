"""Null controls: every vital sign measured again where what it claims to measure has been taken away.

A value that survives its control is an artefact. All controls see the same text, through the estimators that
run live; brains handed in are copies, for reading moves their carried state.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.capabilities import Observable, RowReader, Severable, Steerable
from brain.ports import Batch, Brain, Moment, Reading, StepReport
from brain.vitals.build_vitals import build_vitals
from brain.vitals.live_sign import WARMING_UP, UnsupportedError
from brain.vitals.twins import draw_silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from brain.vitals.config import VitalsConfig

OWN = "checkpoint"
CONTROLS: Mapping[str, str] = {
    "shuffled": "pairs are broken up at random: the activity of each module comes from another row of the batch, each "
    "prediction is compared with another outcome, each byte the brain chose is given to another row",
    "disconnected": "all connections between modules are cut; each module reads only the input",
    "zero_input": "the input is one constant byte",
    "scrambled": "the entries of each weight matrix are randomly permuted",
    "untrained": "same architecture, random weights, also in layers that are initialised to zero",
}
_OF_UNITS = "a plain measure of units or weights, no effect that a control removes: compare it with untrained"
EXPECTED: Mapping[str, str] = {
    "phi": "below 0.1 when shuffled or disconnected; untrained or scrambled weights may score as high, because Φ "
    "measures connections, not what was learned",
    "agency": "about 0 when shuffled",
    "integration": "about 0 when shuffled; may stay high when disconnected, because modules that read the same input "
    "are correlated: compare it with Φ",
    "confidence": "0.5 when shuffled",
    "self_prediction_error": "1 when shuffled: no variance is explained",
    "reliance": "a plain measure of a mixture, no effect that a control removes: compare it with untrained",
    "dormant_share": _OF_UNITS,
    "effective_rank": _OF_UNITS,
    "weight_norm": _OF_UNITS,
}
# They compare nothing that is in pairs; each with why shuffling has no reading of it.
_UNITS_STAY = "shuffling does not change units or weights"
UNSHUFFLED: Mapping[str, str] = {
    "dormant_share": _UNITS_STAY,
    "effective_rank": _UNITS_STAY,
    "reliance": "shuffling does not change where evidence comes from",
    "weight_norm": _UNITS_STAY,
}

Readings = dict[str, Reading]


@dataclass(frozen=True, kw_only=True)
class Probed:
    """Readings by control and vital sign, and how many batches each was measured over."""

    readings: dict[str, Readings]
    ticks: int

    def expected(self) -> dict[str, str]:
        """What to expect of each sign, where there is anything to compare it with."""
        null = self.readings["shuffled"]
        return {
            name: EXPECTED[name]
            for name, own in self.readings[OWN].items()
            if name in EXPECTED
            and own.value is not None
            and (name in UNSHUFFLED or null[name].value is not None)
        }


def probe_with_controls(
    make: Callable[[bool], Brain],
    batches: Sequence[Batch],
    config: VitalsConfig,
    *,
    seed: int,
    ticks: int | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Probed:
    """Readings of every vital sign, by name, of the brain (`checkpoint`) and in every control.

    Args:
        make: gives a fresh copy of the brain, True, or an untrained twin of it, False.
        batches: text to read, at most one batch a tick.
        ticks: how many to read, more while a sign of the brain is warming up; None: all.
        config: of the vital signs.
        seed: of their generators and of all shuffling.
        on_progress: called with the name of each control before it is measured.
    """
    found: dict[str, Readings] = {}
    on_progress(OWN)
    brain = frozen(make(True))
    found[OWN], found["shuffled"], count = watch_beside_shuffled(
        brain, batches, config, seed=seed, ticks=ticks
    )
    on_progress("disconnected")
    if isinstance(brain, Severable):
        severed = frozen(make(True))
        assert isinstance(severed, Severable)
        severed.sever()
        found["disconnected"] = watch(severed, batches, config, seed=seed, ticks=count)
    else:
        found["disconnected"] = {
            name: Reading(name=name, value=None, reason="this brain cannot be severed") for name in found[OWN]
        }
    on_progress("zero_input")
    silence = [dataclasses.replace(batch, bytes=torch.zeros_like(batch.bytes)) for batch in batches]
    found["zero_input"] = watch(brain, silence, config, seed=seed, ticks=count)
    on_progress("scrambled")
    scrambled = frozen(make(True))
    scramble(scrambled, seed=seed)
    found["scrambled"] = watch(scrambled, batches, config, seed=seed, ticks=count)
    on_progress("untrained")
    untrained = frozen(make(False))
    draw_silent(untrained, seed=seed)
    found["untrained"] = watch(untrained, batches, config, seed=seed, ticks=count)
    return Probed(readings={name: found[name] for name in (OWN, *CONTROLS)}, ticks=count)


def watch(
    brain: Brain, batches: Sequence[Batch], config: VitalsConfig, *, seed: int, ticks: int | None = None
) -> Readings:
    """Read batch after batch, a tick at each; the readings of the last.

    It reads `ticks` of them, more while a sign is warming up; None: all.
    """
    signs, readings = build_vitals(alone(config), seed=seed), {}
    for step, batch in enumerate(batches, start=1):
        moment = Moment(step=step, brain=brain, batch=batch, report=brain.learn(batch))
        for sign in signs:
            sign.observe(moment)
        readings = {sign.name: sign.measure(moment) for sign in signs}
        if step >= (ticks or len(batches)) and not _warming_up(readings):
            break
    return readings


def watch_beside_shuffled(
    brain: Brain, batches: Sequence[Batch], config: VitalsConfig, *, seed: int, ticks: int | None = None
) -> tuple[Readings, Readings, int]:
    """As `watch`, with the shuffled control over the very same passes beside it, and the number of batches read."""
    generator = torch.Generator().manual_seed(seed)
    own, null = build_vitals(alone(config), seed=seed), build_vitals(alone(config), seed=seed)
    mixed: Brain = Shuffled(brain, seed=seed)  # type: ignore[assignment]  # it is only watched and steered
    readings: tuple[Readings, Readings] = ({}, {})
    step = 0
    for step, batch in enumerate(batches, start=1):
        report = brain.learn(batch)
        moments = (
            Moment(step=step, brain=brain, batch=batch, report=report),
            Moment(step=step, brain=mixed, batch=batch, report=shuffled_report(report, generator)),
        )
        for signs, moment, kept in zip((own, null), moments, readings, strict=True):
            for sign in signs:
                sign.observe(moment)
            kept.update({sign.name: sign.measure(moment) for sign in signs})
        if step >= (ticks or len(batches)) and not _warming_up(readings[0]):
            break
    for name, why in UNSHUFFLED.items():
        if name in readings[1]:
            readings[1][name] = dataclasses.replace(
                readings[1][name], value=None, raw=None, uncertainty=None, samples=0, reason=why
            )
    return *readings, step


def _warming_up(readings: Readings) -> bool:
    return any(WARMING_UP in reading.detail for reading in readings.values())


def alone(config: VitalsConfig) -> VitalsConfig:
    """Vital signs that measure no controls of their own: here they are what is measured."""
    return dataclasses.replace(
        config,
        phi=dataclasses.replace(config.phi, control_every_ticks=0),
        agency=dataclasses.replace(config.agency, control_every_ticks=0),
    )


def frozen(brain: Brain) -> Brain:
    """A brain whose `learn` still scores and reports, but moves no weight and renews no unit."""
    brain.scale_learning_rate(0.0)
    return brain


@torch.no_grad()
def scramble(brain: Brain, *, seed: int) -> None:
    """Put the entries of every weight in random order: the same numbers, but nothing that was learned."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in brain.state().model.values():
        if tensor.is_floating_point() and tensor.dim() > 1:
            order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
            tensor.copy_(tensor.flatten()[order].view_as(tensor))


def shuffled_report(report: StepReport, generator: torch.Generator) -> StepReport:
    """The report with predictions and outcomes put to one another at random."""
    evidence = dict(report.evidence)
    for name in ("correct", "predicted_state"):
        if name in evidence:
            order = torch.randperm(len(evidence[name]), generator=generator)
            evidence[name] = evidence[name][order.to(evidence[name].device)]
    return dataclasses.replace(report, evidence=evidence)


class Shuffled:
    """A brain whose pairs are broken up: each module's activity is that of another row, and so is each own byte.

    What a module does by itself, and how it responds to a nudge, is kept; what one module shares with another is not.
    """

    def __init__(self, brain: Brain, *, seed: int) -> None:
        self._brain = brain
        self._generator = torch.Generator().manual_seed(seed)
        self.module_names = brain.module_names if isinstance(brain, Observable) else ()

    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        """Activity by module, the i-th turned by i rows; nudges go to the rows they are meant for."""
        if not isinstance(self._brain, Observable):
            raise UnsupportedError("this brain has no modules that can be watched")
        place = {name: index for index, name in enumerate(self.module_names)}
        turned = {name: push.roll(-place[name], dims=0) for name, push in (inject or {}).items()}
        activity = self._brain.observe(rows, inject=turned)
        return {name: activity[name].roll(place[name], dims=0) for name in self.module_names}

    def reader(self, rows: int) -> RowReader:
        """A reader whose forks get the first byte of another row."""
        if not isinstance(self._brain, Steerable):
            raise UnsupportedError("this brain cannot be steered byte by byte")
        return SwappedReader(self._brain.reader(rows), self._generator, swapped=True)

    def num_neurons(self) -> int:
        """As the brain's."""
        return self._brain.num_neurons()


class SwappedReader:
    """R rows of which each, once, reads the byte meant for another."""

    def __init__(self, inner: RowReader, generator: torch.Generator, *, swapped: bool) -> None:
        self._inner = inner
        self._generator = generator
        self._swapped = swapped

    def read(self, rows: Tensor) -> Tensor:
        """As `RowReader.read`."""
        if not self._swapped:
            self._swapped = True
            order = torch.randperm(len(rows), generator=self._generator).to(rows.device)
            rows = torch.cat([rows[order, :1], rows[:, 1:]], dim=1)
        return self._inner.read(rows)

    def predict(self) -> Tensor:
        """As `RowReader.predict`."""
        return self._inner.predict()

    def accept(self, byte: Tensor) -> None:
        """As `RowReader.accept`."""
        self._inner.accept(byte)

    def fork(self, rows: Tensor) -> SwappedReader:
        """A fork that will read another row's byte."""
        return SwappedReader(self._inner.fork(rows), self._generator, swapped=False)
