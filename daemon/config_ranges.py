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

    def __str__(self) -> str:
        words = {
            "of at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        return " and ".join(f"{word} {value:g}" for word, value in words.items() if value is not None)


COUNT = Range(at_least=1)
NOT_NEGATIVE = Range(at_least=0)
POSITIVE = Range(above=0)
SHARE = Range(at_least=0, at_most=1)
SOME_LEFT = Range(at_least=0, below=1)

# The first pattern that fits a dotted name holds; other relations a brain's own config class checks itself.
RANGES: dict[str, Range] = {
    "seed": NOT_NEGATIVE,
    "threads": NOT_NEGATIVE,
    "brain.hidden_size": COUNT,
    "brain.num_*": COUNT,
    "brain.window": COUNT,
    "brain.mlp_ratio": COUNT,
    "brain.logit_cap": POSITIVE,
    "brain.*_size": NOT_NEGATIVE,
    "brain.*_weight": NOT_NEGATIVE,
    "stream.weights.*": NOT_NEGATIVE,
    "stream.held_out_share": SOME_LEFT,
    "stream.idle_after_seconds": NOT_NEGATIVE,
    "stream.*": COUNT,
    "replay.*fraction": SOME_LEFT,
    "replay.*": COUNT,
    "optimizer.averaging.*_weight": NOT_NEGATIVE,
    "optimizer.averaging.*_steps": NOT_NEGATIVE,
    "optimizer.averaging.*": SOME_LEFT,
    "optimizer.plasticity.*every_steps": COUNT,
    "optimizer.plasticity.maturity_steps": NOT_NEGATIVE,
    "optimizer.plasticity.l2_init": NOT_NEGATIVE,
    "optimizer.plasticity.perturb": NOT_NEGATIVE,
    "optimizer.plasticity.*": SOME_LEFT,
    "optimizer.*learning_rate": POSITIVE,
    "optimizer.*momentum": SOME_LEFT,
    "optimizer.betas.*": SOME_LEFT,
    "optimizer.eps": POSITIVE,
    "optimizer.clip_norm": POSITIVE,
    "optimizer.*": NOT_NEGATIVE,
    "growth.fraction": Range(above=0, at_most=1),
    "growth.site_ratio": Range(at_least=1, at_most=1e6),
    "growth.newborn_gradient": POSITIVE,
    "growth.recycle_above": SHARE,
    "growth.cooldown_steps": NOT_NEGATIVE,
    "growth.maturity_steps": NOT_NEGATIVE,
    "growth.*.above": NOT_NEGATIVE,
    "growth.*.at_least": SHARE,
    "growth.*": COUNT,
    "*.budget_share": SHARE,
    "vitals.bands.*": SHARE,
    "vitals.every_steps": COUNT,
    "vitals.probe.refresh_every_seconds": NOT_NEGATIVE,
    "vitals.probe.refresh_below": SHARE,
    "vitals.probe.*": COUNT,
    "vitals.effective_rank.sites_per_tick": COUNT,
    "vitals.*.window_*": COUNT,
    "vitals.*.states_per_step": COUNT,
    "vitals.agency.warm_up_choices": NOT_NEGATIVE,
    "vitals.agency.*": COUNT,
    "vitals.phi.*": POSITIVE,
    "vitals.*": NOT_NEGATIVE,
    "evaluation.*": COUNT,
    "sleep.steps": COUNT,
    "sleep.final_rate": Range(above=0, at_most=1),
    "sleep.*": NOT_NEGATIVE,
    "forgetting.smoothing": SOME_LEFT,
    "forgetting.threshold": NOT_NEGATIVE,
    "forgetting.*": COUNT,
    "checkpoint.keep_latest": COUNT,
    "checkpoint.every_seconds": POSITIVE,
    "checkpoint.*": NOT_NEGATIVE,
    "keep.log_files": NOT_NEGATIVE,
    "keep.*_rows": Range(at_least=1000),
    "keep.backups": COUNT,
    "keep.*": POSITIVE,
    "recovery.*": COUNT,
    "limits.hours": POSITIVE,
    "limits.*": COUNT,
    "sample.every_seconds": POSITIVE,
    "sample.max_bytes": NOT_NEGATIVE,
    "sample.temperature": NOT_NEGATIVE,
    "sample.top_p": Range(above=0, at_most=1),
}


def range_of(name: str) -> Range | None:
    """The range of the setting with this dotted name; None when any number will do."""
    return next((allowed for pattern, allowed in RANGES.items() if fnmatch.fnmatchcase(name, pattern)), None)
