"""What `synapsed train` asks the daemon for: a preset's finite run, or a brain for so long, or one of its phases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import daemon.supervisor.daemon
from tests.unit.daemon.checkpoint.samples import save_steps
from tests.unit.daemon.cli.test_start_commands import Stage

if TYPE_CHECKING:
    from daemon.config.tree import RunConfig
    from daemon.home import Home
    from tests.unit.daemon.cli.conftest import Call

SAVED = "continuous_1706123456"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(daemon.supervisor.daemon, "Daemon", stage)
    return stage


def asked(call: Call, stage: Stage, *arguments: str) -> RunConfig:
    called = call("train", *arguments)
    assert called.code == 0, called.err
    config: RunConfig = stage.request.config
    return config


def test_without_a_brain_it_is_the_preset_fast(call: Call, stage: Stage) -> None:
    config = asked(call, stage)
    assert (config.preset, config.brain["kind"], config.limits.epochs) == ("fast", "synapse", 10)
    assert asked(call, stage, "--config", "full").preset == "full"
    assert asked(call, stage, "--epochs", "2").limits.epochs == 2


def test_a_brain_takes_its_preset_reads_in_order_and_ends(call: Call, stage: Stage) -> None:
    config = asked(call, stage, "--brain", "mingru")
    assert (config.preset, config.stream.mix, config.limits.epochs) == ("mingru", "sequential", 3)
    config = asked(call, stage, "--brain", "mingru", "--steps", "7")
    assert (config.limits.steps, config.limits.epochs) == (7, None)
    config = asked(call, stage, "--brain", "mingru", "--steps", "7", "--epochs", "1")
    assert (config.limits.steps, config.limits.epochs) == (7, 1)
    assert asked(call, stage, "--brain", "mingru", "--config", "fast").preset == "fast"


def test_a_reflex_trains_for_its_steps_on_its_own_table_or_the_one_that_is_given(
    call: Call, stage: Stage, tmp_path: Path
) -> None:
    config = asked(call, stage, "--brain", "reflex")
    assert (config.limits.steps, config.limits.epochs) == (2500, None)
    assert config.stream.source[0]["path"].endswith("intents.csv")
    table = tmp_path / "mine.csv"
    table.write_text("text,intent\nhi,greeting\n")
    for kind in ("reflex", "classifier"):
        config = asked(call, stage, "--brain", kind, "--data", str(table), "--epochs", "2")
        assert (config.limits.steps, config.limits.epochs) == (None, 2)
        assert [source["path"] for source in config.stream.source] == [str(table)]


@pytest.mark.parametrize(("phase", "rate"), [(1, 3e-4), (2, 3e-5), (3, 3e-6), (4, 1.5e-5)])
def test_a_phase_sets_what_learns_and_how_fast(
    call: Call, stage: Stage, home: Home, phase: int, rate: float
) -> None:
    save_steps(home.checkpoints, [1])
    config = asked(
        call, stage, "--brain", "tars", "--phase", str(phase), "--pretrained", SAVED, "--steps", "9"
    )
    assert (config.brain["phase"], config.optimizer.kind, config.optimizer.learning_rate) == (
        phase,
        "adamw",
        rate,
    )
    assert config.pretrained is not None
    assert Path(config.pretrained) == (home.checkpoints / SAVED).absolute()
    config = asked(
        call, stage, "--brain", "tars", "--phase", str(phase), "--pretrained", "latest", "--set",
        "optimizer.learning_rate=0.5",
    )  # fmt: skip
    assert (config.optimizer.learning_rate, config.limits.epochs) == (0.5, 3)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--phase", "2"], "--phase 2: brain synapse is trained in no such phase; leave --phase out"),
        (
            ["--brain", "tars", "--phase", "5"],
            "--phase 5: brain tars is trained in no such phase; it has 1, 2, 3, 4",
        ),
        (
            ["--brain", "tars", "--phase", "3"],
            "--phase 3 starts from trained weights: name them with --pretrained",
        ),
        (
            ["--brain", "tars", "--phase", "2", "--pretrained", "nothing"],
            "No checkpoint is called 'nothing' in",
        ),
        (["--brain", "mingru", "--pretrained", "/no/where"], "There is nothing at /no/where"),
        (["--brain", "tarz"], "no brain is called 'tarz'; did you mean tars?"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(
    call: Call, stage: Stage, arguments: list[str], line: Any
) -> None:
    called = call("train", *arguments)
    assert called.code != 0
    assert called.err.startswith(f"synapsed: {line}")
    assert called.err.count("\n") == 1
    assert stage.request is None
