"""Guarded output: readers that leave, full disks, missing characters, control characters."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.cli.output import print_json, print_table
from daemon.cli.printing import (
    complain,
    guarded_output,
    out,
    print_in_the_background_too,
    say,
    stray_output_logged,
)
from daemon.system.standard_stream import OutputGoneError, Printer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.daemon.cli.conftest import Call

NASTY = "\x1b[31mred\x07 \x9b2J \u202eback \x7f"


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A pipe's read end, and its write end as a stream like standard output."""
    reading, writing = os.pipe()
    stream = open(writing, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    yield reading, stream
    stream.close()
    with contextlib.suppress(OSError):
        os.close(reading)


def test_a_reader_that_has_gone_costs_what_was_to_be_printed(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reading, stream = pipe
    printer = Printer(stream)
    printer.say("first")
    printer.require_reader()
    assert os.read(reading, 100) == b"first\n"
    os.close(reading)
    with pytest.raises(OutputGoneError):
        printer.require_reader()  # before anything is written
    printer = Printer(stream)
    for _ in range(3):
        printer.say("nobody")
    assert printer.gone == "Broken pipe"
    stream.flush()  # nothing of it waits in Python's own buffer


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_may_be_over_in_a_minute() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        printer = Printer(full)
        printer.say("lost")
        assert printer.gone is None
        printer.require_reader()


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    text = "x" * 200_000
    reader = subprocess.Popen(["wc", "-c"], stdin=reading, stdout=subprocess.PIPE)
    Printer(stream).write(text)
    stream.close()
    printed, _ = reader.communicate(timeout=20)
    assert int(printed) == len(text)


def test_no_standard_output_is_still_guarded() -> None:
    printer = Printer(None)
    printer.say("nobody")
    assert printer.gone is not None
    assert not printer.isatty()


def test_control_characters_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{NASTY}\tand\nlines\r\nstay")
    complain(f"{NASTY}\nstays a line")
    print_table([{"name": f"{NASTY}\nstays a row"}], ["name"], empty="")
    captured = capsys.readouterr()
    shown = r"\x1b[31mred\x07 \x9b2J \u202eback \x7f"
    assert captured.out.startswith(f"{shown}\tand\nlines\nstay\n")
    assert captured.err == f"{shown}\\nstays a line\n"
    assert captured.out.splitlines()[-1].rstrip() == f"{shown}\\nstays a row"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_json_reads_back_the_same_in_every_encoding(encoding: str) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    value = {"name": NASTY, "file": "\udcff", "arrow": "→", "break": "\u2028"}
    print_json(value, indent=None, printer=Printer(screen))
    screen.seek(0)
    line = screen.read()
    assert json.loads(line) == value
    assert not set(line) & set("\x1b\x07\x9b\u202e\x7f\u2028")


def test_what_an_encoding_lacks_is_replaced() -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    Printer(screen).say("Φ → 0.4, a file \udcff")
    screen.seek(0)
    assert screen.read() == "? ? 0.4, a file \\xff\n"


def test_everybodys_output_is_guarded(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with guarded_output():
        assert out() is sys.stdout
        print("printed by a library")
    assert sys.stdout is before
    assert capsys.readouterr().out == "printed by a library\n"


def test_stray_output_becomes_warnings_also_where_logging_prints_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stray_output_logged():
        print("half a", end=" ")
        print("line")
        sys.stderr.write("an error\n\n")
    assert [record.getMessage() for record in caplog.records] == ["half a line", "an error"]
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with stray_output_logged():
        print("no handler: logging prints to standard error, which comes here")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_command_whose_output_is_lost_has_failed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stdout", full)
        called = call("presets")
    assert (called.code, called.err) == (1, "synapsed: standard output: No space left on device\n")


@pytest.mark.skipif(not hasattr(signal, "SIGTTOU"), reason="no job control here")
def test_a_daemon_in_the_background_may_print_to_its_terminal() -> None:
    before = signal.getsignal(signal.SIGTTOU)
    try:
        print_in_the_background_too()
        assert signal.getsignal(signal.SIGTTOU) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTTOU, before)


@pytest.mark.parametrize("arguments", [["--help"], ["presets"], ["brains"], ["--version"], ["nonsense"]])
def test_a_closed_pipe_is_silent_in_every_command(
    call: Call, arguments: list[str], monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, io.TextIOWrapper]
) -> None:
    reading, stream = pipe
    os.close(reading)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        called = call(*arguments)
    assert called.code == (2 if arguments == ["nonsense"] else 0)
    assert called.err.count("\n") == (1 if called.code else 0)
