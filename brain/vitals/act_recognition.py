"""What the brain can tell of its own act: the candidate it chose, from its own module activity alone.

s is the state in which each candidate left the brain before, averaged; s′ the state in which it is after the text
that it read because of its choice. q(a | s, s′) is a softmax over candidates of how near s′ lies to each, with one
learned weight a module. So few weights add no knowledge of their own; and s′ is one moment's activity, for an average
over the text would be a memory of the instrument's: with it random wiring tells languages apart nearly as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.vitals.live_sign import NotMeasurableError
from brain.vitals.module_watch import observe
from brain.vitals.perturbation import SKIPPED_STEPS
from brain.vitals.scored_choices import CHUNK, ScoredChoices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.ports import Brain
    from brain.vitals.action_information import Array
    from brain.vitals.choices import Outcome

MIN_BYTES = 2 * SKIPPED_STEPS  # after less, the state is still that of a reset brain
_CANDIDATE_RATE = 0.05  # of the running means, at the least: the brain that is looked at continues learning
_OVERALL_RATE = 0.01

Activity = dict[str, "Array"]


def activity_after(brain: Brain, texts: Sequence[NDArray[np.uint8]], *, device: torch.device) -> Activity:
    """Activity of each module at the last byte of each text, read from a reset state, (N, d) by module.

    Raises:
        NotMeasurableError: the brain cannot be watched.
    """
    lengths = np.array([len(text) for text in texts])
    # What pads the end comes after all that is used.
    rows = np.zeros((len(texts), int(lengths.max())), np.uint8)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    activity = observe(brain, torch.from_numpy(rows).to(device))
    return {name: values[np.arange(len(texts)), _last(lengths, values)] for name, values in activity.items()}


def _last(lengths: NDArray[np.int64], values: Array) -> NDArray[np.int64]:
    """Where in the activity (N, S, d) of a module the last byte of each text lies; a step may be of several bytes."""
    step = -(-int(lengths.max()) // values.shape[1])
    last: NDArray[np.int64] = (lengths - 1) // step
    return last


class ActRecognition:
    """Recognises randomised choices from the brain's activity, each scored before anything learns from it.

    Args:
        window: randomised choices that count, the newest.
        at_least: choices that the estimate is made of, where there are as many.
        seed: of the inverse model's generator.
    """

    def __init__(self, *, window: int, at_least: int, seed: int) -> None:
        self._settings = {"window": window, "at_least": at_least, "seed": seed}
        self.scored = ScoredChoices(0, **self._settings)
        self._widths: dict[str, int] = {}
        self._num_seen = 0
        self._overall: Activity = {}  # mean over all candidates, (d,)
        self._variance: dict[str, float] = {}  # a unit's mean variance about it, by module
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._means: Activity = {}  # (A, d)

    @property
    def silent(self) -> bool:
        """Whether no module varied over all that was looked at."""
        return self._num_seen > 1 and not any(self._variance.values())

    def learn(self, outcomes: Sequence[Outcome], activity: Activity) -> None:
        """Score outcomes of randomised choices by the activity after each, (N, d) by module; then learn.

        Raises:
            NotMeasurableError: the activity is not finite.
        """
        if not all(np.isfinite(values).all() for values in activity.values()):
            raise NotMeasurableError("the activity after a choice is not finite", {"dropped_share": 1.0})
        for begin in range(0, len(outcomes), CHUNK):
            chunk = outcomes[begin : begin + CHUNK]
            own = {name: values[begin : begin + CHUNK] for name, values in activity.items()}
            self._fit_to(chunk[-1].choice.candidates, own)
            kept = [i for i, one in enumerate(chunk) if one.choice.candidates == len(self._counts)]
            chosen = np.array([chunk[i].choice.chosen for i in kept])
            offered = np.stack([chunk[i].offered() for i in kept])
            self.scored.score(self._fits(own)[kept], offered, chosen)
            for i, candidate in zip(kept, chosen, strict=True):
                self._follow(int(candidate), {name: values[i] for name, values in own.items()})

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Scored choices and running means, to survive a restart."""
        own = {f"{prefix}.counts": torch.from_numpy(np.array([self._num_seen, *self._counts]))}
        for name in self._widths:
            own[f"{prefix}.module|{name}"] = torch.from_numpy(
                np.concatenate([self._overall[name][None], self._means[name]])
            )
            own[f"{prefix}.variance|{name}"] = torch.tensor([self._variance[name]], dtype=torch.float64)
        return own | self.scored.tensors(prefix)

    def load(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take back what `tensors` gave."""
        if f"{prefix}.counts" not in tensors:
            return
        self._num_seen, *counts = tensors[f"{prefix}.counts"].tolist()
        self._counts = np.array(counts, dtype=np.int64)
        self._overall, self._means, self._variance = {}, {}, {}
        marker = f"{prefix}.module|"
        for name in (key.removeprefix(marker) for key in tensors if key.startswith(marker)):
            rows = tensors[f"{marker}{name}"].cpu().numpy().copy()
            self._overall[name], self._means[name] = rows[0], rows[1:]
            self._variance[name] = float(tensors[f"{prefix}.variance|{name}"][0])
        self._widths = {name: values.shape[-1] for name, values in self._overall.items()}
        self.scored = ScoredChoices(len(self._widths), **self._settings)
        self.scored.load(tensors, prefix)

    def _fit_to(self, num_candidates: int, activity: Activity) -> None:
        """Start over where the brain has other modules than before, or chooses among other candidates."""
        widths = {name: values.shape[-1] for name, values in activity.items()}
        if widths == self._widths and num_candidates == len(self._counts):
            return
        if list(widths) != list(self._widths):
            self.scored = ScoredChoices(len(widths), **self._settings)
        self.scored.clear(num_candidates)
        self._widths, self._num_seen = widths, 0
        self._counts = np.zeros(num_candidates, np.int64)
        self._overall = {name: np.zeros(width) for name, width in widths.items()}
        self._means = {name: np.zeros((num_candidates, width)) for name, width in widths.items()}
        self._variance = dict.fromkeys(widths, 0.0)

    def _fits(self, activity: Activity) -> Array:
        """Nearness of each outcome to each candidate by module, (N, A, M), in units of the module's variance."""
        fits = []
        for name, values in activity.items():
            known = np.where(self._counts[:, None] > 0, self._means[name], self._overall[name])
            distance = ((values[:, None] - known[None]) ** 2).mean(2)
            scale = self._variance[name]
            fits.append(-distance / scale if scale > 0.0 else np.zeros_like(distance))
        return np.stack(fits, axis=2)

    def _follow(self, candidate: int, activity: Activity) -> None:
        """Let the running means follow the activity after one outcome, (d,) by module."""
        self._num_seen += 1
        self._counts[candidate] += 1
        of_all = max(_OVERALL_RATE, 1.0 / self._num_seen)
        of_one = max(_CANDIDATE_RATE, 1.0 / self._counts[candidate])
        for name, values in activity.items():
            before = values - self._overall[name]
            self._overall[name] += of_all * before
            spread = float((before * (values - self._overall[name])).mean())
            self._variance[name] += of_all * (spread - self._variance[name])
            self._means[name][candidate] += of_one * (values - self._means[name][candidate])
