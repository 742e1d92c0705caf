"""The command that shows what the exact memory knows of a context."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.options import AskedCheckpointOption, HomeOption, JsonOption, RunOption
from daemon.cli.printing import say
from daemon.system.counting import counted
from daemon.system.escaping import one_line, shown


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(remembers)


def remembers(
    context: Annotated[str, typer.Argument(help="Text to look up; its last 4 KiB count.")],
    *,
    max_bytes: Annotated[int, typer.Option(min=0, max=1024, help="How many bytes memory may add.")] = 48,
    checkpoint_name: AskedCheckpointOption = None,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the exact memory knows about a text; with nothing running, the newest checkpoint answers."""
    from daemon.cli.asking import answer_of
    from daemon.cli.output import print_json
    from daemon.cli.text_upload import unicode_of
    from daemon.errors import UsageError
    from daemon.home import Home

    context = unicode_of(context, "the context")
    if not context:
        raise UsageError('the context is empty: type some text, as in synapsed remembers "Once upon"')
    opened = Home.open(home, create=False)
    question = {"context": context, "max_bytes": max_bytes}
    answer = answer_of(opened, "remembers", question, run_id=run_id, checkpoint=checkpoint_name)
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _print(answer: dict[str, Any]) -> None:
    from daemon.cli.output import print_table

    match = answer["match"]
    if match is None:
        say("No match of six bytes or more.")
    else:
        say(one_line(f"The longest match has {counted(match['length'], 'byte')}, read {_when(match)}:"))
        say(shown(f"  {match['before']}[{match['matched']}]{match['after']}".replace("\n", "\n  ")))
    columns = {"memory_alone": "memory", "network_alone": "network", "both": "both"}
    rows = [
        {column: _likely(answer["next"][name][rank]) for column, name in columns.items()}
        for rank in range(len(answer["next"]["both"]))
    ]
    say("Next byte:")
    print_table(rows, tuple(columns), empty="")
    if answer["completion"]:
        by = "Memory continues" if match is not None else "From fewer than six bytes, memory guesses"
        say(one_line(f"{by}: {answer['completion']}"))
    else:
        say("Memory has no confident continuation.")


def _when(match: dict[str, Any]) -> str:
    """When a passage was read and, where that is known, from which source.

    >>> _when({"bytes_ago": 2345, "step": 12, "source": "notes"}), _when({"bytes_ago": 9, "step": None, "source": None})
    ('2,345 bytes ago, at step 12 from notes', '9 bytes ago')
    """
    step = "" if match["step"] is None else f", at step {match['step']:,}"
    source = "" if match["source"] is None else f" from {match['source']}"
    return f"{counted(match['bytes_ago'], 'byte')} ago{step}{source}"


def _likely(one: dict[str, Any]) -> str:
    """A byte and its probability.

    >>> _likely({"byte": 101, "text": "e", "probability": 0.5})
    'e 0.500'
    """
    return f"{one['text']} {one['probability']:.3f}"
