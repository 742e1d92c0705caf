"""The command line, `synapsed COMMAND`: a module a kind of command; each imports when it runs."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from brain.errors import SynapsedError
from daemon.cli import (
    access_commands,
    checkpoint_commands,
    corpus_commands,
    delete_command,
    doctor,
    erasing_command,
    follow_commands,
    forgetting_table,
    generate_command,
    grow_command,
    inspect_command,
    list_commands,
    order_commands,
    quantize_command,
    remembers_command,
    sleep_command,
    sources_command,
    start_commands,
    train_command,
)
from daemon.cli.printing import complain, guarded_output, out, say
from daemon.system.standard_stream import OutputGoneError

PROGRAM = "synapsed"
EXIT_LOST_OUTPUT = 1

app = typer.Typer(
    name=PROGRAM,
    help="Keep a brain learning continuously on your own machine, with a live page to watch and steer it.",
    epilog="Start with: synapsed start   ·   then: synapsed status, synapsed open, synapsed ask 'hello'",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    start_commands,
    train_command,
    corpus_commands,
    sources_command,
    order_commands,
    remembers_command,
    grow_command,
    sleep_command,
    forgetting_table,
    erasing_command,
    list_commands,
    follow_commands,
    checkpoint_commands,
    generate_command,
    inspect_command,
    quantize_command,
    delete_command,
    access_commands,
    doctor,
):
    module.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def synapsed(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Keep a brain learning continuously on your own machine, with a live page to watch and steer it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. A person's mistake is one line on standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    _forget_service_address()
    with guarded_output():
        exit_code = _run(arguments)
        if exit_code == 0 and (lost := out().lost) is not None:
            return _fail(f"standard output: {lost}", EXIT_LOST_OUTPUT)
        return exit_code


def _forget_service_address() -> None:
    """Kubernetes leaves the address of a service called synapsed where a port is expected."""
    if (port := os.environ.get("SYNAPSED_PORT")) is not None:
        from daemon.config.environment import is_service_variable

        if is_service_variable("SYNAPSED_PORT", port):
            del os.environ["SYNAPSED_PORT"]


def _run(arguments: list[str]) -> int:
    try:
        return int(app(arguments, prog_name=PROGRAM, standalone_mode=False, obj=arguments) or 0)
    except TyperException as error:
        return _fail(_one_line(error, arguments), error.exit_code)
    except SynapsedError as error:
        return _fail(str(error), getattr(error, "exit_code", 1))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OutputGoneError:
        return 0  # whoever read us has seen enough: `synapsed logs -f | head`


# The option parser's messages, as patterns, and ours for them.
_PLAIN_WORDS = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer, unable to parse string as an integer", "a whole number is expected"),
    (r"Input should be a valid number, unable to parse string as a number", "a number is expected"),
    (r"Input should be greater than or equal to (\S+)", r"a number of at least \1 is expected"),
    (r"Input should be less than or equal to (\S+)", r"a number of at most \1 is expected"),
)


def _one_line(error: TyperException, arguments: list[str]) -> str:
    """What was wrong with the arguments, with the value that was given."""
    options = getattr(getattr(error, "param", None), "opts", ())
    pairs = list(zip(arguments, [*arguments[1:], ""], strict=True))
    for option in options:
        for argument, value in reversed(pairs):  # of an option given twice the last counts
            if argument.startswith(f"{option}=") or (argument == option and value):
                given = argument if argument != option else f"{option} {value}"
                return f"{given}: {_plain(error.message)}"
    variable = getattr(getattr(error, "param", None), "envvar", None)
    if isinstance(variable, str) and variable in os.environ:
        return f"{variable}={os.environ[variable]}: {_plain(error.message)}"
    return _plain(error.format_message())


def _plain(message: str) -> str:
    """The option parser's message on one line, in this program's wording."""
    message = " ".join(message.split())
    for theirs, ours in _PLAIN_WORDS:
        message = re.sub(theirs, ours, message)
    return message


def _fail(message: str, exit_code: int) -> int:
    complain(f"{PROGRAM}: {message}")
    return exit_code


def run() -> int:
    """The program itself: one command, and an end that takes no time over what the system frees at once."""
    os.environ["PYTHONSAFEPATH"] = "1"  # no process of ours imports what lies in the current folder
    try:
        return main()
    finally:
        gc.freeze()  # the last collections would look through every module once more, for a fifth of a second


if __name__ == "__main__":
    sys.exit(run())
