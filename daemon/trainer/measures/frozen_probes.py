"""The frozen probes of all sources: a slice scored every few steps, the whole in sleep and on demand.

What steers learning (the share of replay, sleep) follows from these scores, so they are taken by the step
and never by the clock, and all of them survive a restart. A probe is fixed when its source
is first seen, or at the step at which there is text enough. Its bytes are part of the checkpoint, whatever
happens to the files.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from brain.memory.forgetting import Forgetting, Track
from brain.memory.passages import Rows
from daemon.streams.holdout import BLOCK_BYTES
from daemon.trainer.measures.slow_weights import FAST, STABLE, WEIGHTS, can_sleep, swapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from brain.memory.selection import Selection
    from brain.ports import Brain
    from brain.sleep.config import ForgettingConfig
    from daemon.streams.holdout import HeldOutSet
    from daemon.streams.stream import ExperienceStream


@dataclass
class Probe:
    """Rows of one source that are never learned from.

    Attributes:
        rows: uint8 (P, T), zero behind `length`.
        length: int64 (P,), valid bytes.
        fingerprint: of the held-out set they were taken from.
        nats: float64 (P, 2), newest loss of each row by the fast and by the stable weights; nan before.
    """

    rows: NDArray[np.uint8]
    length: NDArray[np.int64]
    fingerprint: str
    nats: NDArray[np.float64]

    @classmethod
    def of(cls, held_out: HeldOutSet, rows: int, row_bytes: int) -> Probe | None:
        """Rows spread evenly over the held-out blocks; None when there is nothing to read."""
        in_block = max(1, BLOCK_BYTES // row_bytes)
        count = min(rows, len(held_out) * in_block)
        found = []
        for row in range(count):
            block = row * len(held_out) // count
            place = (row - -(-block * count // len(held_out))) % in_block
            text = held_out.read(block)[0][place * row_bytes : (place + 1) * row_bytes]
            if text:
                found.append(text)
        if not found:
            return None
        padded = np.zeros((len(found), row_bytes), np.uint8)
        for row, text in enumerate(found):
            padded[row, : len(text)] = np.frombuffer(text, np.uint8)
        length = np.array([len(text) for text in found], np.int64)
        return cls(padded, length, held_out.fingerprint, np.full((len(found), len(WEIGHTS)), np.nan))

    def without(self, selection: Selection) -> Probe | None:
        """Itself without the rows that hold a passage; None where none are left."""
        if not selection.text:
            return self
        search, number = selection.search(), np.arange(len(self.length))
        # Rows of a probe do not follow on each other: a border proves nothing.
        search.look(number, Rows(self.rows, self.length, number, number, number))
        kept = np.setdiff1d(number, search.found())
        if len(kept) == len(number):
            return self
        if not len(kept):
            return None
        return Probe(self.rows[kept], self.length[kept], self.fingerprint, self.nats[kept])

    @property
    def is_full(self) -> bool:
        """It holds a whole block of text, or as much as it may: more is not worth waiting for."""
        return int(self.length.sum()) >= min(self.rows.size, BLOCK_BYTES)

    def bpc(self, weights: int = FAST) -> float:
        """Loss over the whole probe as it is known now, in bits per byte; nan while a row is missing."""
        return float(self.nats[:, weights].sum() / self.length.sum() / math.log(2))


class Probes:
    """All probes of a run, the tracks that follow from them, and whose turn it is."""

    def __init__(
        self,
        config: ForgettingConfig,
        stream: ExperienceStream,
        *,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.config = config
        self.spent_seconds = 0.0
        self._device = device
        self._clock = clock
        self._names = [source.name for source in stream.sources]
        self.probes: dict[str, Probe] = {}
        for index, name in enumerate(self._names if config.enabled else []):
            held_out = stream.held_out(index)
            if len(held_out) and (probe := Probe.of(held_out, config.rows, config.row_bytes)):
                self.probes[name] = probe
        self.tracks = {name: Track() for name in self.probes}
        self._next = 0

    def meet(self, stream: ExperienceStream) -> None:
        """Freeze a probe of each source that by now holds enough held-out text; the turns stay in order."""
        found = dict(self.probes)
        for index, name in enumerate(self._names):
            if name not in found and len(held_out := stream.held_out(index)):
                probe = Probe.of(held_out, self.config.rows, self.config.row_bytes)
                if probe is not None and probe.is_full:
                    found[name] = probe
        if len(found) > len(self.probes):
            turn = self._slices()[self._next :][:1]
            self._take(found)
            self._next = self._slices().index(turn[0]) if turn else 0

    def learned_from(self, sources: Iterable[int]) -> None:
        """Live rows of these sources were learned from."""
        for index in set(sources):
            if index < len(self._names) and (track := self.tracks.get(self._names[index])) is not None:
                track.fresh = True

    def forget(self, selection: Selection, source: str = "") -> int:
        """Give up the probe of a source, or rows that hold a passage; how many rows.

        What was frozen of a source that is read on is frozen anew from what it holds then.
        """
        turn = self._slices()[self._next :][:1]
        before = sum(len(probe.length) for probe in self.probes.values())
        kept = {name: one.without(selection) for name, one in self.probes.items() if name != source}
        self._take({name: probe for name, probe in kept.items() if probe is not None})
        slices = self._slices()
        self._next = slices.index(turn[0]) if turn and turn[0] in slices else 0
        return before - sum(len(probe.length) for probe in self.probes.values())

    def due(self, step: int) -> bool:
        """Whether a slice is scored after this step."""
        return self.config.enabled and step % self.config.every_steps == 0

    def score_slice(self, brain: Brain) -> list[str]:
        """Score the next few rows; returns the sources that are complete, all of them after the last row."""
        slices = self._slices()
        if not slices:
            return []
        name, first = slices[self._next % len(slices)]
        self._score(
            brain, name, range(first, min(first + self.config.slice_rows, len(self.probes[name].length)))
        )
        self._next = (self._next + 1) % len(slices)
        done = self._next == 0 or slices[self._next][0] != name
        if not done:
            return []
        self._follow(name)
        return list(self.probes) if self._next == 0 else [name]

    def score_all(self, brain: Brain, on_progress: Callable[[], None]) -> float:
        """Score every row of every probe; the mean over known sources in BPC."""
        for name, probe in self.probes.items():
            for first in range(0, len(probe.length), self.config.rows):
                self._score(brain, name, range(first, min(first + self.config.rows, len(probe.length))))
                on_progress()
        return self.mean_bpc()

    def follow_all(self) -> None:
        """Update every track with its probe, just scored as a whole."""
        for name in self.probes:
            self._follow(name)

    def measured(self, brain: Brain, on_progress: Callable[[], None]) -> dict[str, float]:
        """Score all on demand: loss by source in BPC. Steers nothing, so it leaves no trace."""
        kept = {name: probe.nats.copy() for name, probe in self.probes.items()}
        try:
            self.score_all(brain, on_progress)
            return {name: probe.bpc() for name, probe in self.probes.items()}
        finally:  # also when it was interrupted
            for name, nats in kept.items():
                self.probes[name].nats[:] = nats

    def mean_bpc(self, weights: int = FAST) -> float:
        """Mean over sources learned from of the loss on the whole probe, in BPC; nan without any.

        What was never learned counts for nothing: its loss wanders with whatever else is learned.
        """
        return _mean_bpc(self.probes, self.tracks, weights)

    def better(self) -> str:
        """Which weights generate and are evaluated: `stable` once they do better on the probes, else `fast`."""
        return _better(self.probes, self.tracks)

    def forgetting(self) -> Forgetting:
        """Mean and worst forgetting, backward transfer and stability gap of the moment."""
        return Forgetting.of(self.tracks.values())

    def rows_of(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A row of the forgetting matrix for each of these sources."""
        return [
            {
                "source": name,
                "bpc": self.tracks[name].bpc,
                "smooth": self.tracks[name].smooth,
                "best": self.tracks[name].best,
                "forgetting": self.tracks[name].forgetting,
            }
            for name in names
        ]

    def state(self) -> dict[str, Any]:
        """JSON-able: tracks, fingerprints, whose turn it is, and sources that may have no probe yet."""
        return {
            "sources": self._names,
            "next": self._next,
            "tracks": {name: dict(vars(track)) for name, track in self.tracks.items()},
            "fingerprints": {name: probe.fingerprint for name, probe in self.probes.items()},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The frozen rows and their newest losses, as `<array>|<source>`."""
        return {
            f"{part}|{name}": getattr(probe, part)
            for name, probe in self.probes.items()
            for part in ("rows", "length", "nats")
        }

    def load(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore probes and tracks; a source that is new keeps its fresh probe."""
        if not self.config.enabled:
            return
        # One that was there without a probe gets it at the step at which the run without the break did.
        found = {name: probe for name, probe in self.probes.items() if name not in state.get("sources", ())}
        for name, (probe, track) in _stored(state, arrays).items():
            if name in self._names:
                found[name], self.tracks[name] = probe, track
        self._take(found)
        self._next = int(state.get("next", 0))

    def _take(self, found: Mapping[str, Probe]) -> None:
        """Keep these probes, in the order of the sources."""
        self.probes = {name: found[name] for name in self._names if name in found}
        self.tracks = {name: self.tracks.get(name) or Track() for name in self.probes}

    def _follow(self, name: str) -> None:
        bpc = self.probes[name].bpc()
        if math.isfinite(bpc):  # of a source that came with this life a part is not scored yet
            self.tracks[name].follow(bpc, self.config.smoothing)

    def _slices(self) -> list[tuple[str, int]]:
        return [
            (name, first)
            for name, probe in self.probes.items()
            for first in range(0, len(probe.length), self.config.slice_rows)
        ]

    def _score(self, brain: Brain, name: str, chosen: range) -> None:
        started = self._clock()
        probe = self.probes[name]
        rows, length = probe.rows[chosen.start : chosen.stop], probe.length[chosen.start : chosen.stop]
        mask = np.arange(rows.shape[1])[None, :] < length[:, None]
        for weights in (FAST, STABLE):
            with swapped(brain, WEIGHTS[weights]):
                nats = brain.score(
                    torch.from_numpy(rows).to(self._device), torch.from_numpy(mask).to(self._device)
                )
            probe.nats[chosen.start : chosen.stop, weights] = nats.cpu().double().numpy()
            if not can_sleep(brain):
                probe.nats[chosen.start : chosen.stop, STABLE] = np.inf
                break
        self.spent_seconds += self._clock() - started


def stored_without(
    state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], selection: Selection, source: str = ""
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """`Probes.state` and `Probes.arrays` of a checkpoint after `Probes.forget`."""
    kept = dict(arrays)
    fingerprints = dict(state.get("fingerprints", {}))
    for name, (probe, _) in _stored(state, arrays).items():
        rest = None if name == source else probe.without(selection)
        for part in ("rows", "length", "nats"):
            if rest is None:
                kept.pop(f"{part}|{name}", None)
            else:
                kept[f"{part}|{name}"] = getattr(rest, part)
        if rest is None:
            fingerprints.pop(name, None)
    tracks = {name: track for name, track in state.get("tracks", {}).items() if name in fingerprints}
    return {**state, "fingerprints": fingerprints, "tracks": tracks, "next": 0}, kept


def better_of_stored(state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """`Probes.better` of a checkpoint, from the probes it stores; its sources may be gone."""
    stored = _stored(state, arrays)
    return _better(
        {name: probe for name, (probe, _) in stored.items()},
        {name: track for name, (_, track) in stored.items()},
    )


def _stored(state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[Probe, Track]]:
    """Probes and tracks as `Probes.state` and `Probes.arrays` gave them, by source."""
    found = {}
    for name, fingerprint in state.get("fingerprints", {}).items():
        if f"nats|{name}" in arrays:
            rows, length, nats = (np.array(arrays[f"{part}|{name}"]) for part in ("rows", "length", "nats"))
            found[name] = Probe(rows, length, fingerprint, nats), Track(**state["tracks"][name])
    return found


def _mean_bpc(probes: Mapping[str, Probe], tracks: Mapping[str, Track], weights: int) -> float:
    losses = [probe.bpc(weights) for name, probe in probes.items() if tracks[name].known]
    scored = [loss for loss in losses if not math.isnan(loss)]  # one that was just frozen is not yet
    return statistics.fmean(scored) if scored else math.nan


def _better(probes: Mapping[str, Probe], tracks: Mapping[str, Track]) -> str:
    return WEIGHTS[STABLE if _mean_bpc(probes, tracks, STABLE) < _mean_bpc(probes, tracks, FAST) else FAST]
