"""The command line as a whole: its commands, and how it takes mistakes."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from daemon.cli.app import app
from daemon.cli.options import given_path
from daemon.cli.reference import all_commands

if TYPE_CHECKING:
    from tests.unit.daemon.cli.conftest import Call

COMMANDS = [
    "start",
    "resume",
    "train",
    "train all",
    "corpus wiki",
    "sources try",
    "serve",
    "status",
    "stop",
    "pause",
    "continue",
    "checkpoint",
    "runs",
    "checkpoints",
    "events",
    "alarms",
    "logs",
    "watch",
    "ask",
    "feed",
    "generate",
    "grow",
    "sleep",
    "forget",
    "forgetting",
    "presets",
    "brains",
    "delete",
    "doctor",
    "export",
    "evaluate",
    "probe",
    "inspect",
    "quantize",
    "remembers",
    "schedule",
    "token",
    "open",
]


def test_every_command_is_there_and_has_json() -> None:
    commands = dict(all_commands(typer.main.get_command(app)))
    assert sorted(commands) == sorted(COMMANDS)
    without = [
        name for name, command in commands.items() if not any("--json" in p.opts for p in command.params)
    ]
    assert without == []
    assert [name for name, command in commands.items() if not command.help] == []


@pytest.mark.parametrize("command", ["start", "resume"])
def test_start_and_resume_take_the_same_options(command: str) -> None:
    params = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    options = {option for param in params for option in (*param.opts, *param.secondary_opts)}
    wanted = [
        "--preset",
        "--brain",
        "--data",
        "--hours",
        "--steps",
        "--device",
        "--neurogenesis",
        "--no-neurogenesis",
        "--max-neurons",
        "--set",
        "--name",
        "--home",
        "--host",
        "--port",
        "--detach",
        "--open",
        "--no-open",
        "--json",
    ]
    assert set(wanted) <= options


def test_help_comes_without_arguments_and_ends_well(call: Call) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        called = call(*arguments)
        assert called.code == 0
        assert "start" in called.out
        assert called.err == ""


def test_the_version_is_one_line(call: Call) -> None:
    assert call("--version").out.startswith("synapsed 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["strat"], "start"),
        (["start", "--hourz", "3"], "--hours"),
        (["start", "--hours", "many"], "many"),
        (["start", "--hours", "-1"], "limits.hours = -1.0: a number above 0 and at most 1e+06 is expected"),
        (["start", "--steps", "0"], "limits.steps = 0"),
        (["start", "--set", "replay.capcity=3"], "did you mean replay.capacity?"),
        (["start", "--set", "rows"], "key=value"),
        (["start", "--preset", "tinny"], "did you mean tiny?"),
        (["start", "--brain", "synaps"], "did you mean synapse?"),
        (["start", "--device", "gpu"], "one of auto, cpu, cuda, mps is expected"),
        (["start", "--data", "/nowhere/at/all"], "there is no file or folder /nowhere/at/all"),
        (["start", "--port", "70000"], "--port 70000: a number of at most 65535 is expected"),
        (["start", "--host", "999.1.1.1"], "--host 999.1.1.1 is not an address of this machine"),
        (["start", "--host", "192.0.2.1"], "--host 192.0.2.1 is not an address of this machine"),
        (["start", "--preset", "/"], "/ is a folder"),
        (["start", "--host", "0.0.0.0"], "--allow-remote"),
        (["resume", "latest", "--set", "replay.capcity=3"], "did you mean replay.capacity?"),
        (["train", "--config", "faste"], "faste"),
        (["export", "--format", "zip"], "zip"),
        (["feed"], "FILE"),
        (["ask", "hello", "--top-p", "0"], "--top-p 0: a number above 0 is expected"),
        (["grow", "--fraction", "-1"], "--fraction -1: a number above 0 is expected"),
        (["schedule", "--pause"], "name the job"),
        (["status", "--home", "/nowhere/at/all"], "there is no folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(call: Call, arguments: list[str], message: str) -> None:
    called = call(*arguments)
    assert called.code == 2
    assert called.out == ""
    assert called.err.startswith("synapsed: ")
    assert called.err.count("\n") == 1
    assert message in called.err


@pytest.mark.parametrize(
    ("port", "message"),
    [("abc", "a whole number is expected"), ("99999", "a number of at most 65535 is expected")],
)
def test_a_mistake_in_the_environment_names_the_variable(
    call: Call, monkeypatch: pytest.MonkeyPatch, port: str, message: str
) -> None:
    monkeypatch.setenv("SYNAPSED_PORT", port)
    called = call("start")
    assert (called.code, called.err) == (2, f"synapsed: SYNAPSED_PORT={port}: {message}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["stop"],
        ["pause"],
        ["continue"],
        ["checkpoint"],
        ["runs"],
        ["events"],
        ["alarms"],
        ["forgetting"],
        ["watch"],
        ["schedule"],
        ["open"],
    ],
)
def test_without_a_daemon_the_way_to_one_is_shown(call: Call, arguments: list[str]) -> None:
    called = call(*arguments)
    assert called.code == 4
    assert called.err.count("\n") == 1
    assert "start one: synapsed start" in called.err


def test_no_option_takes_an_empty_text_for_the_current_folder(call: Call) -> None:
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    checked = 0
    for name, command in commands.items():
        for hint in typing.get_type_hints(command.callback, include_extras=True).values():
            kind, *extras = typing.get_args(hint) or (hint,)
            if extras and "Path" in str(kind):
                checked += 1
                assert extras[0].parser is given_path, name
    assert checked > len(commands)
    for arguments in (["start", "--data", ""], ["start", "--home", ""], ["export", "--output", ""]):
        called = call(*arguments)
        assert (called.code, called.out) == (2, "")
        assert "the path is empty" in called.err
        assert called.err.count("\n") == 1
