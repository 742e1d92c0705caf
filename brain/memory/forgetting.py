"""What was forgotten: the loss on a frozen probe of each source, followed over time.

All losses in bits per byte.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(kw_only=True)
class Track:
    """The probe of one source over time; JSON-able by `vars`.

    Attributes:
        bpc: newest loss of the whole probe.
        smooth: smoothed loss.
        best: lowest smoothed loss since the source was first learned from; the raw best of a noisy series
            would drift down at random.
        learned: smoothed loss when the source was last learned from; None before.
        peak: highest raw loss since then.
        fresh: it was learned from since the last observation.
    """

    bpc: float | None = None
    smooth: float | None = None
    best: float | None = None
    learned: float | None = None
    peak: float | None = None
    fresh: bool = False

    def follow(self, bpc: float, smoothing: float) -> None:
        """One more observation of the whole probe."""
        self.bpc = bpc
        self.smooth = bpc if self.smooth is None else smoothing * self.smooth + (1.0 - smoothing) * bpc
        if not self.known:
            return  # what was never learned cannot be forgotten
        self.best = self.smooth if self.best is None else min(self.best, self.smooth)
        if self.fresh:
            self.learned, self.peak, self.fresh = self.smooth, None, False
        else:
            self.peak = bpc if self.peak is None else max(self.peak, bpc)

    @property
    def known(self) -> bool:
        """The source was learned from."""
        return self.fresh or self.learned is not None

    @property
    def forgetting(self) -> float | None:
        """F = smoothed loss now − best smoothed so far; None before it was learned from."""
        return None if self.smooth is None or self.best is None else self.smooth - self.best

    @property
    def backward_transfer(self) -> float | None:
        """Loss when it was last learned from − loss now: above zero, what came later helped it."""
        return None if self.smooth is None or self.learned is None else self.learned - self.smooth

    @property
    def stability_gap(self) -> float | None:
        """How far above that the loss has risen meanwhile, even if it came back."""
        if self.learned is None:
            return None
        return 0.0 if self.peak is None else max(0.0, self.peak - self.learned)


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Over all sources learned from; nan before there is any.

    Source: Chaudhry et al. 2018 (forgetting), Lopez-Paz and Ranzato 2017 (backward transfer), De Lange et al.
    2023 (stability gap), each without task boundaries.
    """

    mean: float = math.nan
    worst: float = math.nan
    backward_transfer: float = math.nan
    stability_gap: float = math.nan

    @classmethod
    def of(cls, tracks: Iterable[Track]) -> Forgetting:
        """The means over sources, and the worst of them."""
        known = [track for track in tracks if track.forgetting is not None]
        if not known:
            return cls()
        lost = [track.forgetting or 0.0 for track in known]
        return cls(
            mean=statistics.fmean(lost),
            worst=max(lost),
            backward_transfer=statistics.fmean(track.backward_transfer or 0.0 for track in known),
            stability_gap=statistics.fmean(track.stability_gap or 0.0 for track in known),
        )
