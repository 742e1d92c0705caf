"""Which numbers each setting of a run may take, in one table."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Which numbers a setting may take; the edges belong to it unless `above` or `below` excludes them."""

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def said_to(self, value: float) -> str:
        """Which numbers are expected, for somebody who gave `value`; a ceiling that is far off only when it is hit.

        >>> COUNT.said_to(0), COUNT.said_to(2**60), SHARE.said_to(7)
        ('of at least 1', 'at most 9,007,199,254,740,991', 'of at least 0 and at most 1')
        """
        words = {
            "of at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        if self.at_most is not None and self.at_most > 1e6:
            words = {"at most": self.at_most} if value > self.at_most else {**words, "at most": None}
        return " and ".join(f"{word} {_shown(limit)}" for word, limit in words.items() if limit is not None)


LARGEST = 2**53 - 1  # every program that reads JSON knows whole numbers up to here
COUNT = Range(at_least=1, at_most=LARGEST)
COUNT_OR_NONE = Range(at_least=0, at_most=LARGEST)
# What is allocated as a whole: more than any machine of today can hold is a slip of the finger.
SIZE = Range(at_least=1, at_most=65_536)
SIZE_OR_NONE = Range(at_least=0, at_most=65_536)
LAYERS = Range(at_least=1, at_most=4096)
BYTES = Range(at_least=1, at_most=1024 * 1024)
WINDOW = Range(at_least=1, at_most=10_000_000)
AMOUNT = Range(above=0, at_most=1e9)
AMOUNT_OR_NONE = Range(at_least=0, at_most=1e9)
SHARE = Range(at_least=0, at_most=1)
SOME_LEFT = Range(at_least=0, below=1)

# The first pattern that fits a dotted name holds; other relations a brain's own config class checks itself.
RANGES: dict[str, Range] = {
    "seed": COUNT_OR_NONE,
    "threads": Range(at_least=0, at_most=4096),
    "brain.num_buckets": Range(at_least=2, at_most=2**22),
    "brain.max_labels": Range(at_least=2, at_most=65_536),
    "brain.max_document_bytes": Range(at_least=16, at_most=1024 * 1024),
    "brain.hidden_size": SIZE,
    "brain.num_*": LAYERS,
    "brain.window": SIZE,
    "brain.mlp_ratio": LAYERS,
    "brain.logit_cap": AMOUNT,
    "brain.*_size": SIZE_OR_NONE,
    "brain.*_weight": AMOUNT_OR_NONE,
    "stream.weights.*": AMOUNT_OR_NONE,
    "stream.held_out_share": SOME_LEFT,
    "stream.idle_after_seconds": AMOUNT_OR_NONE,
    "stream.rows": SIZE,
    "stream.segment_bytes": BYTES,
    "stream.*": COUNT,
    "replay.*fraction": SOME_LEFT,
    "replay.capacity": Range(at_least=1, at_most=2**31),
    "replay.segment_mib": SIZE,
    "replay.*": COUNT,
    "optimizer.averaging.*_weight": AMOUNT_OR_NONE,
    "optimizer.averaging.*_steps": COUNT_OR_NONE,
    "optimizer.averaging.*": SOME_LEFT,
    "optimizer.plasticity.*every_steps": COUNT,
    "optimizer.plasticity.maturity_steps": COUNT_OR_NONE,
    "optimizer.plasticity.l2_init": AMOUNT_OR_NONE,
    "optimizer.plasticity.perturb": AMOUNT_OR_NONE,
    "optimizer.plasticity.*": SOME_LEFT,
    "optimizer.*learning_rate": AMOUNT,
    "optimizer.*momentum": SOME_LEFT,
    "optimizer.betas.*": SOME_LEFT,
    "optimizer.eps": AMOUNT,
    "optimizer.clip_norm": AMOUNT,
    "optimizer.*_steps": COUNT_OR_NONE,
    "optimizer.*": AMOUNT_OR_NONE,
    "growth.fraction": Range(above=0, at_most=1),
    "growth.site_ratio": Range(at_least=1, at_most=1e6),
    "growth.newborn_gradient": AMOUNT,
    "growth.recycle_above": SHARE,
    "growth.cooldown_steps": COUNT_OR_NONE,
    "growth.maturity_steps": COUNT_OR_NONE,
    "growth.*.above": AMOUNT_OR_NONE,
    "growth.*.at_least": SHARE,
    "growth.*": COUNT,
    "*.budget_share": SHARE,
    "vitals.bands.*": SHARE,
    "vitals.every_steps": COUNT,
    "vitals.probe.refresh_every_seconds": AMOUNT_OR_NONE,
    "vitals.probe.refresh_below": SHARE,
    "vitals.probe.*": SIZE,
    "vitals.effective_rank.sites_per_tick": COUNT,
    "vitals.*.window_*": WINDOW,
    "vitals.*.states_per_step": SIZE,
    "vitals.agency.warm_up_choices": COUNT_OR_NONE,
    "vitals.agency.*": SIZE,
    "vitals.phi.*": AMOUNT,
    "vitals.*.warm_up_*": COUNT_OR_NONE,
    "vitals.*": AMOUNT_OR_NONE,
    "evaluation.slice_rows": SIZE,
    "evaluation.*": COUNT,
    "sleep.steps": COUNT,
    "sleep.final_rate": Range(above=0, at_most=1),
    "sleep.tolerance": AMOUNT_OR_NONE,
    "sleep.*": COUNT_OR_NONE,
    "forgetting.smoothing": SOME_LEFT,
    "forgetting.threshold": AMOUNT_OR_NONE,
    "forgetting.row_bytes": BYTES,
    "forgetting.every_steps": COUNT,
    "forgetting.*": SIZE,
    "checkpoint.keep_latest": COUNT,
    "checkpoint.every_seconds": AMOUNT,
    "checkpoint.*": COUNT_OR_NONE,
    "keep.log_files": COUNT_OR_NONE,
    "keep.*_rows": Range(at_least=1000, at_most=LARGEST),
    "keep.backups": COUNT,
    "keep.*": AMOUNT,
    "recovery.*": COUNT,
    "limits.hours": Range(above=0, at_most=1e6),
    "limits.*": COUNT,
    "sample.every_seconds": AMOUNT,
    "sample.max_bytes": Range(at_least=0, at_most=8192),
    "sample.temperature": Range(at_least=0, at_most=10),
    "sample.top_p": Range(above=0, at_most=1),
}


def _shown(value: float) -> str:
    return f"{value:g}" if abs(value) <= 1e6 else f"{value:,.0f}"


def range_of(name: str) -> Range | None:
    """The range of the setting with this dotted name; None when any number will do."""
    return next((allowed for pattern, allowed in RANGES.items() if fnmatch.fnmatchcase(name, pattern)), None)
