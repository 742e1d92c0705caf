"""Build the vital signs of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from brain.vitals.module_watch import ModuleWatch
from brain.vitals.sign_registry import vitals

if TYPE_CHECKING:
    from brain.ports import VitalSign
    from brain.vitals.config import VitalsConfig
    from brain.vitals.live_sign import Clock


def build_vitals(config: VitalsConfig, *, seed: int, clock: Clock = time.perf_counter) -> list[VitalSign]:
    """Every registered vital sign, by name, each with generators of its own.

    They share one watch over the brain's modules, so that a tick reads its experience once. A sign without
    settings of its own in `config` takes its defaults.
    """
    watch = ModuleWatch(config.probe, seed=seed * 1_000 + 999)
    signs = []
    for index, entry in enumerate(vitals):
        own = getattr(config, entry.name, None) or entry.config()
        signs.append(entry.load()(own, watch=watch, seed=seed * 1_000 + index, clock=clock))
    return cast("list[VitalSign]", signs)
