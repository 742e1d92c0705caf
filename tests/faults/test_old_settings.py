"""Settings and architectures stored under older names resume; those of a later version are reported in a line."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import brain_from_spec
from brain.errors import SpecMismatchError
from brain.optim.config import OptimizerConfig
from brain.upgrades import SPEC, VERSION, Step
from daemon.checkpoint import tensor_file
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.manifest import MANIFEST, MODEL, STATE, read_manifest
from daemon.checkpoint.portable import export_pt, load_pt
from daemon.config.loading import config_from_dict, resolve_config
from daemon.config.setting_upgrades import CONFIG, config_to_dict
from daemon.errors import ConfigError, TornCheckpointError
from daemon.store.store import Store
from daemon.supervisor.requests import ResumeRequest
from daemon.supervisor.run_checkpoints import RunCheckpoints
from daemon.supervisor.run_rows import RunRows
from daemon.system.durable import Disk
from daemon.trainer.checkpoints.restoring import restore_brain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.events import Event
    from daemon.home import Home

pytestmark = pytest.mark.faults

FORMAT_1 = Path(__file__).parents[1] / "fixtures" / "format_1" / "checkpoints" / "continuous_1"
CPU = torch.device("cpu")


def ignore(event: Event) -> None:
    pass


def rename(tree: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    tree[after] = tree.pop(before)
    return tree


def new_names(settings: dict[str, Any]) -> dict[str, Any]:
    rename(settings["stream"], "lanes", "rows")
    rename(settings["brain"], "width", "hidden_size")
    return settings


def old_names(settings: dict[str, Any]) -> dict[str, Any]:
    """As the settings were called before the step of `upgraded`."""
    rename(settings["stream"], "rows", "lanes")
    rename(settings["brain"], "hidden_size", "width")
    return settings


def old_spec(spec: dict[str, Any]) -> dict[str, Any]:
    rename(spec["config"], "hidden_size", "width")
    return spec


def new_spec(spec: dict[str, Any]) -> dict[str, Any]:
    rename(spec["config"], "width", "hidden_size")
    return spec


@pytest.fixture
def upgraded() -> Iterator[None]:
    """The program one step on, in which two settings got other names."""
    CONFIG.steps.append(Step(what="stream.lanes became stream.rows", apply=new_names))
    SPEC.steps.append(Step(what="width became hidden_size", apply=new_spec))
    yield
    del CONFIG.steps[-1], SPEC.steps[-1]


def stored_checkpoint(folder: Path, *, version: int | None = None) -> Path:
    """The checkpoint of format 1 under older names; with `version`, as that one would have stored it."""
    path = folder / FORMAT_1.name
    shutil.copytree(FORMAT_1, path)
    state = json.loads((path / STATE).read_text())
    manifest = read_manifest(path)
    spec = old_spec(json.loads(json.dumps(dict(manifest.spec))))
    old_names(state["config"])
    if version is not None:
        state["config"][VERSION] = spec[VERSION] = version
    (path / STATE).unlink()
    record = Disk().write(path / STATE, [json.dumps(state).encode()])
    changed = dataclasses.replace(manifest, spec=spec, files={**manifest.files, STATE: record})
    (path / MANIFEST).write_bytes(changed.to_bytes())
    return path


@pytest.mark.fault(
    "Settings stored by another version",
    tried="a checkpoint of format 1 whose settings and architecture have been renamed since",
    happens="both are brought up to date where they are read; it resumes with every weight",
)
@pytest.mark.usefixtures("upgraded")
def test_a_checkpoint_under_older_names_resumes(home: Home) -> None:
    path = stored_checkpoint(home.checkpoints)
    with Store.open(home.database) as store:
        found = RunCheckpoints(store, Catalogue(home.checkpoints)).find("latest")
    config = ResumeRequest(checkpoint="latest").config_over(found.config, origin=found.name)
    today = json.loads((FORMAT_1 / STATE).read_text())["config"]
    assert config.stream.rows == today["stream"]["rows"]
    assert config.brain["hidden_size"] == today["brain"]["hidden_size"]
    brain = restore_brain(config, CPU, load(path), emit=ignore)
    stored = tensor_file.read(FORMAT_1 / MODEL)
    assert stored
    assert all(torch.equal(brain.state().model[name], tensor) for name, tensor in stored.items())
    assert config_to_dict(config)[VERSION] == CONFIG.newest


@pytest.mark.fault(
    "Settings stored by another version",
    tried="a single file (.pt) whose settings and architecture were renamed since",
    happens="both are brought up to date; it resumes with every weight",
)
def test_a_single_file_under_older_names_resumes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    loaded = load(FORMAT_1)
    aged = dataclasses.replace(
        loaded,
        manifest=dataclasses.replace(loaded.manifest, spec=old_spec(dict(loaded.manifest.spec))),
        state={**loaded.state, "config": old_names(dict(loaded.state["config"]))},
    )
    file = export_pt(aged, tmp_path / "old.pt")
    request.getfixturevalue("upgraded")
    again = load_pt(file)
    config = config_from_dict(again.state["config"], origin=file.name)
    brain = restore_brain(config, CPU, again, emit=ignore)
    assert all(torch.equal(brain.state().model[name], tensor) for name, tensor in loaded.model.items())


@pytest.mark.fault(
    "Settings stored by another version",
    tried="a run in the database whose settings were renamed since",
    happens="its configuration is brought up to date where it is read",
)
def test_a_run_in_the_database_under_older_names_is_read(home: Home, request: pytest.FixtureRequest) -> None:
    config = resolve_config(preset="tiny", environ={})
    with Store.open(home.database) as store:
        store.create_run("r-1", config=old_names(config_to_dict(config)), state="stopped")
        store.flush()
        request.getfixturevalue("upgraded")
        run = RunRows(store, monotonic=time.monotonic).load("r-1")
    assert run is not None
    assert config_from_dict(run.config) == config


@pytest.mark.fault(
    "Settings stored by another version",
    tried="a checkpoint of a later version of the program",
    happens="one line with the version and the advice to upgrade; nothing is set aside",
)
def test_a_later_version_is_one_clear_line(home: Home) -> None:
    path = stored_checkpoint(home.checkpoints, version=99)
    with pytest.raises(ConfigError, match=r"^the configuration of continuous_1 has version 99; .* Upgrade"):
        config_from_dict(json.loads((path / STATE).read_text())["config"], origin=path.name)
    with pytest.raises(TornCheckpointError, match=r"checkpoint continuous_1 has version 99; .* Upgrade"):
        load_newest(Catalogue(home.checkpoints), emit=ignore)
    assert path.is_dir()


@pytest.mark.fault(
    "Settings stored by another version",
    tried="an unknown setting in a stored configuration and a stored architecture of today's version",
    happens="it is named, with its place and the nearest valid one",
)
def test_an_unknown_name_of_the_same_version_is_reported_with_its_place() -> None:
    config = config_to_dict(resolve_config(preset="tiny", environ={}))
    rename(config["stream"], "rows", "rowz")
    with pytest.raises(ConfigError, match=r"stream\.rowz'; did you mean stream\.rows\? \(continuous_7\)"):
        config_from_dict(config, origin="continuous_7")
    spec = dict(load(FORMAT_1).manifest.spec)
    rename(spec["config"], "hidden_size", "hiden_size")
    with pytest.raises(SpecMismatchError, match=r"config\.hiden_size, .* did it become hidden_size\?"):
        brain_from_spec(spec, optimizer=OptimizerConfig(), lanes=2, device=CPU, seed=0)


@pytest.mark.fault(
    "Settings stored by another version",
    tried="a version that is not a number, and settings that do not fit their version",
    happens="one line with the reason; no traceback",
)
@pytest.mark.usefixtures("upgraded")
def test_a_damaged_version_is_one_clear_line() -> None:
    for version in (0, -1, True, "2", None, 1.0):
        with pytest.raises(ConfigError, match="has no version but"):
            config_from_dict({VERSION: version})
    with pytest.raises(ConfigError, match=r"is not what version \d+ was \(stream\.lanes became stream\.rows"):
        config_from_dict({VERSION: CONFIG.newest - 1, "stream": {"rows": 3}})
    stored = old_names(
        config_to_dict(resolve_config(preset="tiny", environ={})) | {VERSION: CONFIG.newest - 1}
    )
    before = json.dumps(stored)
    config_from_dict(stored)
    assert json.dumps(stored) == before  # a step works on a copy
