"""start, resume, train and serve: what they ask the daemon for, in the foreground and in the background."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import daemon.supervisor.daemon
from daemon.errors import PortTakenError
from daemon.events import ModelNotWritten
from daemon.supervisor.requests import ResumeRequest, StartRequest
from tests.fake_daemon.world import FakeDaemon
from tests.unit.daemon.checkpoint.samples import save_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daemon.cli.views import PlainView
    from daemon.home import Home
    from tests.unit.daemon.cli.conftest import Call


@dataclass
class Stage:
    """Plays the daemon in this process and remembers how it was called."""

    exit_code: int = 0
    error: Exception | None = None
    reason: str | None = None
    event: dict[str, Any] | None = None
    made: dict[str, Any] = field(default_factory=dict)
    request: Any = None
    exit_when_finished: bool | None = None

    def __call__(self, home: Home, **settings: Any) -> Stage:
        self.made = {"home": home, **settings}
        return self

    def run(self, first: Any, *, exit_when_finished: bool) -> int:
        self.request, self.exit_when_finished = first, exit_when_finished
        if self.error:
            raise self.error
        view: PlainView = self.made["listener"]
        if first is not None:
            view.on_run({**FakeDaemon.small().runs["r-1"].view(), "reason": self.reason})
            if self.event is not None:
                view.on_event(self.event)
            view.on_stopping()
            view.on_ended()
        return self.exit_code


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(daemon.supervisor.daemon, "Daemon", stage)
    return stage


@pytest.fixture
def saved(home: Home) -> str:
    """The name of a checkpoint in the home."""
    save_steps(home.checkpoints, [1])
    return "continuous_1706123456"


@pytest.mark.usefixtures("saved")
def test_follow_waits_at_the_end_of_the_data_and_again_begins_again(
    call: Call, stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text("a")
    assert call("start", "--preset", "tiny", "--data", str(tmp_path / "a.log"), "--follow").code == 0
    assert stage.request.config.stream.at_end == "wait"
    assert call("resume", "--again").code == 0
    assert stage.request.overrides == {"stream.at_end": "again"}
    assert call("resume").code == 0
    assert stage.request.overrides == {}


def test_a_mistake_is_found_before_anything_starts(
    call: Call, stage: Stage, home: Home, tmp_path: Path
) -> None:
    binaries = tmp_path / "binaries"
    binaries.mkdir()
    (binaries / "a.bin").write_bytes(b"\x7fELF\0\0")
    called = call("start", "--preset", "tiny", "--data", str(binaries))
    assert (called.code, called.out) == (2, "")
    assert called.err.startswith(f"synapsed: nothing to read in folder {binaries}: 1 binary")
    assert called.err.count("\n") == 1
    (binaries / "b.txt").write_text("text")
    assert call("start", "--preset", "tiny", "--data", str(binaries)).code == 0

    called = call("start", "--preset", "fast", "--follow", "--data", str(binaries))
    assert (called.code, called.out) == (2, "")
    assert called.err == (
        'synapsed: stream.at_end = "wait" (--follow) reads nothing twice, so it has no passes to count; '
        "leave stream.samples_per_pass out, or take another preset (command line)\n"
    )

    stage.request = None
    called = call("resume")
    assert (called.code, called.out) == (6, "")
    assert "There is no checkpoint in" in called.err
    called = call("resume", "nonexist")
    assert (called.code, called.out) == (5, "")
    assert "No checkpoint is called 'nonexist'" in called.err
    assert called.err.count("\n") == 1
    assert stage.request is None


def test_start_resolves_every_option_and_sums_up(call: Call, stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    called = call(
        *("start", "--preset", "tiny", "--brain", "synapse", "--data", str(tmp_path / "a.txt")),
        *("--data", str(tmp_path / "b.txt"), "--hours", "24", "--steps", "100", "--device", "cpu"),
        *(
            "--neurogenesis",
            "--max-neurons",
            "500",
            "--set",
            "stream.mix=weighted",
            "--name",
            "mine",
            "--port",
            "0",
        ),
    )
    assert called.code == 0
    request = stage.request
    assert isinstance(request, StartRequest)
    config = request.config
    assert (config.preset, config.device, request.name) == ("tiny", "cpu", "mine")
    assert (config.limits.hours, config.limits.steps) == (24.0, 100)
    assert (config.growth.enabled, config.growth.max_neurons) == (True, 500)
    assert config.stream.data == (str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert config.stream.mix == "weighted"
    assert (stage.made["host"], stage.made["port"], stage.exit_when_finished) == ("127.0.0.1", 0, True)
    assert "Saving final checkpoint...\n\nTRAINING SUMMARY\nTotal steps: 1,234\n" in called.out
    assert called.out.endswith("To resume:\n  synapsed resume continuous_1706123456\n")


def test_resume_passes_what_lies_over_the_stored_settings(call: Call, stage: Stage, saved: str) -> None:
    called = call(
        "resume",
        saved,
        "--hours",
        "2",
        "--set",
        "optimizer.learning_rate=0.001",
        "--no-neurogenesis",
    )
    assert called.code == 0
    request = stage.request
    assert isinstance(request, ResumeRequest)
    assert (request.checkpoint, request.hours, request.steps) == (saved, 2.0, None)
    assert request.overrides == {"optimizer.learning_rate": 0.001, "growth.enabled": False}


@pytest.mark.usefixtures("saved")
def test_resume_takes_the_newest_checkpoint_and_changes_nothing_unasked(call: Call, stage: Stage) -> None:
    call("resume")
    assert stage.request == ResumeRequest(checkpoint="latest")


def test_resume_or_start_begins_where_nothing_was_ever_saved(call: Call, stage: Stage, home: Home) -> None:
    call("resume", "--or-start", "--preset", "tiny", "--steps", "5")
    assert isinstance(stage.request, StartRequest)
    assert (stage.request.config.preset, stage.request.config.limits.steps) == ("tiny", 5)
    (home.checkpoints / "damaged-continuous_1").mkdir()  # something was: no silent fresh start
    stage.request = None
    called = call("resume", "--or-start")
    assert (called.code, stage.request) == (6, None)
    assert "Damaged ones are kept as damaged-continuous_1. Start over: synapsed start" in called.err


def test_train_is_start_with_a_finite_preset(call: Call, stage: Stage) -> None:
    call("train", "--config", "fast")
    assert (stage.request.config.preset, stage.request.config.limits.epochs) == ("fast", 10)


def test_serve_starts_nothing_and_stays(call: Call, stage: Stage) -> None:
    assert call("serve").out == ""
    assert (stage.request, stage.exit_when_finished) == (None, False)


def test_json_is_all_that_is_printed(call: Call, stage: Stage) -> None:
    lines = call("start", "--json").out.splitlines()
    assert all(line.startswith("{") for line in lines)


def test_the_daemons_exit_code_and_reason_are_passed_on(call: Call, stage: Stage) -> None:
    stage.exit_code, stage.reason = 7, "trainer died too often"
    called = call("start")
    assert (called.code, called.err) == (7, "synapsed: trainer died too often\n")


def test_a_model_file_that_is_not_written_is_a_failure(call: Call, stage: Stage) -> None:
    stage.event = ModelNotWritten(path="reflex.pt", error="no space left on device").record()
    called = call("train", "--config", "fast")
    assert called.code == 1
    assert called.err.splitlines()[-1].startswith(
        "synapsed: The model file could not be written: no space left on device"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "3", "--steps", "many"], "--steps many: a whole number is expected."),
        (["--hours=long"], "--hours=long: a number is expected."),
        (["--port", "70000"], "--port 70000: a number of at most 65535 is expected"),
    ],
)
def test_a_bad_number_is_named_with_what_is_expected(call: Call, arguments: list[str], message: str) -> None:
    called = call("start", *arguments)
    assert (called.code, called.err) == (2, f"synapsed: {message.removesuffix('.')}\n")


def test_a_taken_port_is_one_line_and_exit_code_3(call: Call, stage: Stage) -> None:
    stage.error = PortTakenError("port 8765 on 127.0.0.1 is in use")
    called = call("start")
    assert (called.code, called.err) == (3, "synapsed: port 8765 on 127.0.0.1 is in use\n")


def test_an_address_others_reach_must_be_meant(call: Call, stage: Stage) -> None:
    assert call("serve", "--host", "0.0.0.0").code == 2
    assert call("serve", "--host", "0.0.0.0", "--allow-remote").code == 0
    assert stage.made["allow_remote"] is True
    assert call("serve", "--host", "localhost").code == 0


POPEN = subprocess.Popen
ANSWERS = """
import sys
from pathlib import Path
from daemon.home import Home
from tests.fake_daemon.server import answering_in
from tests.fake_daemon.world import FakeDaemon
with answering_in(Home.open(Path(sys.argv[1])), FakeDaemon.small()):
    sys.stdin.read()
"""


@dataclass
class Background:
    """Starts a script where the daemon would be started, and ends what it started."""

    script: str = ANSWERS
    lines: list[list[str]] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(self, command: Sequence[str], **settings: Any) -> subprocess.Popen[bytes]:
        self.lines.append(list(command))
        settings["stdin"] = subprocess.PIPE
        self.processes.append(POPEN([sys.executable, "-c", self.script, command[-1]], **settings))
        return self.processes[-1]

    def end(self) -> None:
        for process in self.processes:
            process.communicate(timeout=20)  # a closed standard input ends it


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    background = Background()
    monkeypatch.setattr(subprocess, "Popen", background)
    yield background
    background.end()


def test_detach_returns_once_the_daemon_answers(call: Call, home: Home, background: Background) -> None:
    document = call("start", "--preset", "tiny", "--detach", "--json", "--open", "--no-open").json()
    info = home.read_daemon_file()
    assert info is not None
    assert (document["pid"], document["url"]) == (info.pid, info.url)
    command = background.lines[0]
    assert command[1:4] == ["-P", "-m", "daemon"]
    assert command[4:] == ["start", "--preset", "tiny", "--no-open", "--home", str(home.root)]
    called = call("start", "--detach")
    assert called.code == 3
    assert info.url in called.err


def test_detach_passes_on_how_the_daemon_failed(call: Call, background: Background) -> None:
    background.script = "import sys; print('synapsed: port 1 is in use', file=sys.stderr); sys.exit(3)"
    called = call("serve", "--detach")
    assert (called.code, called.err) == (3, "synapsed: port 1 is in use\n")


ANSWERS_AND_DIES = """
import sys, threading
from pathlib import Path
from daemon.home import Home
from tests.fake_daemon.server import answering_in
from tests.fake_daemon.world import FakeDaemon
fake = FakeDaemon()
with answering_in(Home.open(Path(sys.argv[1])), fake):
    while not any(path == "/runs" for _, path, _ in fake.asked):
        pass
print("synapsed: there is nothing to resume", file=sys.stderr)
sys.exit(6)
"""


def test_detach_reports_no_success_for_a_daemon_that_answers_and_dies(
    call: Call, background: Background
) -> None:
    background.script = ANSWERS_AND_DIES
    called = call("start", "--preset", "tiny", "--detach")
    assert (called.code, called.out) == (6, "")
    assert called.err == "synapsed: there is nothing to resume\n"


def test_detach_goes_without_a_log_that_cannot_be_written(
    call: Call, home: Home, background: Background
) -> None:
    (home.logs / "daemon.log").symlink_to("/nowhere/at/all")
    called = call("start", "--preset", "tiny", "--detach")
    assert called.code == 0
    assert called.err.startswith("synapsed: what the daemon prints is lost: cannot write ")


def test_a_wrong_setting_never_reaches_the_background(call: Call, background: Background) -> None:
    assert call("start", "--detach", "--set", "replay.capcity=1").code == 2
    assert background.lines == []
