"""All vital signs of a checkpoint with their null controls, so that anyone can check what they are worth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from brain.build import brain_from_spec
from brain.capabilities import Labelling
from brain.ports import Moment, Reading
from brain.vitals.build_vitals import build_vitals
from brain.vitals.controls import CONTROLS, alone, probe_with_controls
from daemon.config.loading import config_from_dict
from daemon.streams.cursor import Cursor
from daemon.streams.stream import ExperienceStream
from daemon.trainer.checkpoints.restoring import VITALS_PREFIX, brain_state, parts_of
from daemon.trainer.state.lane_resets import LaneResets
from daemon.trainer.steps.batching import assemble, num_lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.ports import Batch, Brain
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint
    from daemon.config.tree import RunConfig
    from daemon.home import Home

DEFAULT_TICKS = 16
MAX_TICKS = 256  # read by default while a vital sign is warming up
WORLD = "agency"
PROBED = {WORLD: "agency_self"}  # what a sign is called that measures something else without a run
OF_THE_WORLD = ("acts", "world")


def probe_checkpoint(
    home: Home,
    loaded: LoadedCheckpoint,
    *,
    ticks: int | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Readings by control and vital sign, and what each control took away.

    The text is what the run would have read next: `ticks` batches of it, by default 16 and up to 256 while a vital sign
    of the brain is warming up. Agency over the world cannot be measured without a live run, so
    what is probed is `agency_self`, that over the brain's own words. From the run's own windows come `agency`, what the
    brain could tell of its acts, and `world_agency`, how far the world answered them; None where it does not act.

    Raises:
        SynapsedError: the sources of the checkpoint are gone.
    """
    config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
    batches = read_on(home, loaded, config, ticks or MAX_TICKS)

    def make(trained: bool) -> Brain:
        return copy_of(loaded, config) if trained else untrained(loaded, config)

    found = probe_with_controls(
        make,
        batches,
        config.vitals,
        seed=config.seed,
        ticks=DEFAULT_TICKS if ticks is None else None,
        on_progress=on_progress,
    )
    acts = agency_of_acts(loaded, config, make(True), batches[found.ticks - 1])
    return {
        "checkpoint": loaded.path.name,
        "step": loaded.manifest.step,
        "ticks": found.ticks,
        "vitals": {control: by_name(readings) for control, readings in found.readings.items()},
        "agency": None if acts is None else dataclasses.asdict(acts),
        "world_agency": None if acts is None else world_agency(acts),
        "controls": dict(CONTROLS),
        "expected": {PROBED.get(name, name): line for name, line in found.expected().items()},
    }


def by_name(readings: Mapping[str, Reading]) -> dict[str, dict[str, Any]]:
    """Readings of a probe as plain dicts: there nothing is chosen, so agency is that over the brain's own words.

    >>> from brain.ports import Reading
    >>> by_name({"agency": Reading(name="agency", value=0.5, detail={"acts": 0.0, "world": 0.0, "self": 0.5})}).keys()
    dict_keys(['agency_self'])
    """
    found = {}
    for sign, reading in readings.items():
        name = PROBED.get(sign, sign)
        detail = {
            key: value for key, value in reading.detail.items() if name == sign or key not in OF_THE_WORLD
        }
        found[name] = {**dataclasses.asdict(reading), "name": name, "detail": detail}
    return found


def read_on(home: Home, loaded: LoadedCheckpoint, config: RunConfig, count: int) -> list[Batch]:
    """The next `count` batches of every lane, from the checkpoint's place in its sources.

    A run that waits for more to read has no next one: it is given what it has read, from the beginning.
    """
    state = loaded.state.get("loop", {})
    record = state.get("cursor")
    lanes = num_lanes(config.stream.rows, config.replay.fraction)
    stream = ExperienceStream.open(
        dataclasses.replace(config.stream, at_end="again"),
        lanes=lanes,
        seed=config.seed,
        cache=home.cache,
        emit=lambda _: None,
        cursor=Cursor.from_json(record) if record else None,
    )
    cpu = torch.device("cpu")
    read = [stream.next(list(range(lanes)))[0] for _ in range(count)]
    read[:1] = [LaneResets.restored(state).added_to(first) for first in read[:1]]
    return [assemble(experience, None, cpu) for experience in read]


def copy_of(loaded: LoadedCheckpoint, config: RunConfig) -> Brain:
    """The brain of the checkpoint, carried state included."""
    brain = fresh_brain(loaded, config)
    fitted, _ = brain.adopt(brain_state(loaded))
    brain.load(fitted)
    return brain


def untrained(loaded: LoadedCheckpoint, config: RunConfig) -> Brain:
    """A newborn brain to compare with; at a rate of 0 it takes in no label, so it knows those of the checkpoint."""
    brain = fresh_brain(loaded, config)
    if isinstance(brain, Labelling) and isinstance(trained := copy_of(loaded, config), Labelling):
        brain.labels = list(trained.labels)
    return brain


def fresh_brain(loaded: LoadedCheckpoint, config: RunConfig) -> Brain:
    """A brain of the checkpoint's architecture that has learned nothing."""
    return brain_from_spec(
        loaded.manifest.spec,
        optimizer=config.optimizer,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        device=torch.device("cpu"),
        seed=config.seed,
    )


def agency_of_acts(loaded: LoadedCheckpoint, config: RunConfig, brain: Brain, batch: Batch) -> Reading | None:
    """Agency over the choices that the run kept, with its controls as the run measured them; None without acts."""
    (sign,) = [one for one in build_vitals(alone(config.vitals), seed=config.seed) if one.name == WORLD]
    sign.load_tensors(parts_of(loaded.learning, f"{VITALS_PREFIX}{WORLD}|"))
    reading = sign.measure(
        Moment(step=loaded.manifest.step, brain=brain, batch=batch, report=brain.learn(batch))
    )
    return reading if reading.detail.get("acts") else None


def world_agency(acts: Reading) -> dict[str, Any]:
    """How far the world answered the acts of a reading, as a reading of its own."""
    found = acts.detail.get("world")
    reason = None if found is not None else "too few choices were followed"
    return dataclasses.asdict(Reading(name="world_agency", value=found, reason=reason, version=acts.version))
