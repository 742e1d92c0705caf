"""train all: the order of its stages, what is not repeated, and how an interrupted one resumes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import typer

from daemon.cli import train_all_command
from daemon.supervisor.requests import ResumeRequest, StartRequest

if TYPE_CHECKING:
    from daemon.home import Home
    from tests.unit.daemon.cli.conftest import Call

WITHOUT_OMEGA = ("train", "all", "--skip-omega")


class Training:
    """Stands for daemons, and for commands in processes of their own."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.runs: dict[str, dict[str, Any]] = {}
        self.begun: list[str] = []
        self.commands: list[tuple[str, ...]] = []
        self.stop_in = ""

    def begin(self, context: typer.Context, request: StartRequest | ResumeRequest, **_: Any) -> None:
        del context
        if isinstance(request, StartRequest):
            name = str(request.name)
            self.runs[name] = {"id": f"run-{len(self.runs)}", "name": name, "config": request.config}
            self.begun.append(name.split()[1])
        else:
            name = next(n for n, run in self.runs.items() if f"of-{run['id']}" == request.checkpoint)
            self.begun.append(f"{name.split()[1]} resumes")
        stopped = name.split()[1] == self.stop_in
        self.runs[name]["state"] = "stopped" if stopped else "finished"
        raise typer.Exit(0)

    def called(self, _: Home, name: str) -> dict[str, Any] | None:
        return self.runs.get(name)

    def command(self, _: train_all_command.Asked, *words: str) -> None:
        self.commands.append(words)
        Path(words[words.index("--output") + 1]).write_bytes(b"weights")

    @property
    def models(self) -> Path:
        return self.home.root / "models"


@pytest.fixture
def training(home: Home, monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training(home)
    monkeypatch.setattr(train_all_command, "begin", made.begin)
    monkeypatch.setattr(train_all_command, "_run_called", made.called)
    monkeypatch.setattr(train_all_command, "_command", made.command)
    monkeypatch.setattr(
        train_all_command, "_checkpoints_of", lambda _, run: [f"last-of-{run}", f"best-of-{run}"]
    )
    monkeypatch.setattr(
        train_all_command,
        "_going_on",
        lambda _, run: None if run is None else ResumeRequest(checkpoint=f"of-{run['id']}"),
    )
    return made


def test_stages_run_in_their_order_and_leave_their_files(training: Training, call: Call) -> None:
    refused = call(*WITHOUT_OMEGA, "--d-model", "7")
    assert (refused.code, "hidden_size = 7 is odd" in refused.err) == (2, True)
    assert call(*WITHOUT_OMEGA, "--d-model", "32", "--reflex-epochs", "7").code == 0
    assert training.begun == ["reflex", "mingru", "mamba2"]
    configs = {name.split()[1]: run["config"] for name, run in training.runs.items()}
    assert configs["mamba2"].brain["hidden_size"] == 32
    assert configs["mamba2"].brain["phase"] == 1
    assert configs["mamba2"].optimizer.learning_rate == 3e-4
    assert [configs[stage].limits.epochs for stage in ("reflex", "mingru", "mamba2")] == [7, 1, 3]
    files = {str(path.relative_to(training.models)) for path in training.models.rglob("*") if path.is_file()}
    assert files == {
        "reflex/reflex.pt", "mingru/mingru_lm.pt", "mamba2/mamba2_omega.pt", "mamba2/best.pt",
        "mingru/mingru_lm.safetensors", "mamba2/mamba2_omega.safetensors", "stages.json",
    }  # fmt: skip
    assert [words[0] for words in training.commands] == ["export"] * 4 + ["quantize"] * 2


def test_what_is_done_is_not_done_again(training: Training, call: Call) -> None:
    call(*WITHOUT_OMEGA)
    training.begun.clear()
    training.commands.clear()
    again = call(*WITHOUT_OMEGA)
    assert again.out.count("is done already") == 4
    assert (training.begun, training.commands) == ([], [])
    call(*WITHOUT_OMEGA, "--mingru-epochs", "2")
    assert training.begun == ["mingru"]


def test_a_stage_that_was_stopped_goes_on_and_what_follows_waits(training: Training, call: Call) -> None:
    training.stop_in = "mingru"
    stopped = call(*WITHOUT_OMEGA)
    assert stopped.code == 0
    assert "mingru was stopped" in stopped.out
    assert training.begun == ["reflex", "mingru"]
    training.stop_in = ""
    call(*WITHOUT_OMEGA)
    assert training.begun == ["reflex", "mingru", "mingru resumes", "mamba2"]


def test_a_run_that_finished_just_before_it_was_killed_is_only_written_out(
    training: Training, call: Call
) -> None:
    call(*WITHOUT_OMEGA, "--only", "mingru")
    (training.models / "stages.json").unlink()
    training.begun.clear()
    call(*WITHOUT_OMEGA, "--only", "mingru")
    assert training.begun == []
    assert training.commands[-1][:2] == ("export", "last-of-run-0")


def test_a_later_phase_begins_with_the_best_of_the_one_before(training: Training, call: Call) -> None:
    refused = call(*WITHOUT_OMEGA, "--only", "mamba2", "--phase", "2")
    assert refused.code == 2
    assert "train phase 1 first" in refused.err
    call(*WITHOUT_OMEGA, "--only", "mamba2")
    call(*WITHOUT_OMEGA, "--only", "mamba2", "--phase", "2")
    config = [run["config"] for run in training.runs.values()][-1]
    assert config.pretrained == str(training.models / "mamba2" / "best.pt")
    assert config.brain["phase"] == 2
    # The first phase anew, on other terms: what was built on it is built anew as well.
    call(*WITHOUT_OMEGA, "--only", "mamba2", "--mamba-epochs", "4")
    call(*WITHOUT_OMEGA, "--only", "mamba2", "--phase", "2")
    assert training.begun == ["mamba2"] * 4


def test_omega_that_fails_ends_nothing(
    training: Training, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(words: list[str], **_: Any) -> SimpleNamespace:
        asked.append(words[1:])
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr("subprocess.run", run)
    done = call("train", "all", "--only", "mingru")
    assert asked == [["-P", "-m", "brain.omega"]]
    assert "continue without" in done.out
    assert training.begun == ["mingru"]


def test_there_must_be_something_to_quantize(training: Training, call: Call) -> None:
    refused = call(*WITHOUT_OMEGA, "--only", "quantize")
    assert refused.code == 2
    assert "nothing to quantize" in refused.err
    assert not training.commands


def test_the_newest_run_is_looked_up_by_the_daemon(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Saved:
        def __init__(self, _: Path) -> None:
            self.newest = {"run-1": "continuous_1", "run-2": "continuous_2"}

        def latest(self, run: str) -> SimpleNamespace | None:
            return SimpleNamespace(name=self.newest[run]) if run in self.newest else None

        def runs(self) -> list[str]:
            return ["run-2", "run-1"]

    monkeypatch.setattr("daemon.checkpoint.catalogue.Catalogue", Saved)

    def going_on(run: str) -> str | None:
        request = train_all_command._going_on(home, {"id": run})
        return None if request is None else request.checkpoint

    # Of the newest run a trainer may be saving still, so its newest checkpoint is not known yet.
    assert [going_on(run) for run in ("run-2", "run-1", "run-0")] == ["latest", "continuous_1", None]
    assert train_all_command._going_on(home, None) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "/nope"), "no file or folder /nope"),
        (("--only", "reflex", "--data", __file__), "train --brain reflex --data"),
        (("--models", f"{__file__}/models"), "is a file, not a folder"),
        (("--phase", "5"), "--phase"),
    ],
)
def test_a_mistake_is_found_before_any_stage_begins(
    training: Training, call: Call, arguments: tuple[str, ...], words: str
) -> None:
    refused = call(*WITHOUT_OMEGA, *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert training.begun == []
