"""How `synapsed probe` shows vital signs beside their null controls."""

from __future__ import annotations

from typing import Any

from daemon.cli.output import MISSING, print_table
from daemon.cli.printing import say
from daemon.cli.progress_line import UNSUPPORTED


def show_probe(result: dict[str, Any]) -> None:
    """A row a vital sign, a column a control; then what the controls do and why something is missing."""
    vitals: dict[str, dict[str, Any]] = result["vitals"]
    own = next(iter(vitals.values()))
    measured = [sign for sign in own if UNSUPPORTED not in own[sign]["detail"]]
    say(f"Vital signs of {result['checkpoint']}, step {result['step']:,}, over {result['ticks']} batches\n")
    rows = [
        {"vital sign": title(sign)} | {column: value(vitals[column][sign]) for column in vitals}
        for sign in measured
    ]
    print_table(rows, ("vital sign", *vitals), empty="This kind of brain has none of the vital signs")
    if result["agency"] is not None:
        _say_acts(result["agency"], result["world_agency"])
    if measured:
        _section(
            "Controls: what each one changes",
            {label(name): what for name, what in result["controls"].items()},
        )
        expected = {title(sign): result["expected"][sign] for sign in measured if sign in result["expected"]}
        _section("What to expect of a real effect", _by_line(expected))
    missing = {
        (label(column), reading["reason"]): [
            title(sign) for sign in measured if readings[sign]["reason"] == reading["reason"]
        ]
        for column, readings in vitals.items()
        for name, reading in readings.items()
        if name in measured and reading["value"] is None
    }
    why = {f"{column}, {_named(signs, measured)}": reason for (column, reason), signs in missing.items()}
    _section(f"Why not available ({MISSING})", why)
    lacking = {title(sign): own[sign]["reason"] for sign in own if sign not in measured}
    _section("Not for this kind of brain", _by_line(lacking))


def _by_line(lines: dict[str, str]) -> dict[str, str]:
    """Names that share a line, together.

    >>> _by_line({"a": "x", "b": "y", "c": "x"})
    {'a, c': 'x', 'b': 'y'}
    """
    names: dict[str, list[str]] = {}
    for name, line in lines.items():
        names.setdefault(line, []).append(name)
    return {", ".join(together): line for line, together in names.items()}


def _named(signs: list[str], measured: list[str]) -> str:
    """Signs of which the same is true.

    >>> _named(["phi"], ["phi", "agency"]), _named(["phi", "agency"], ["phi", "agency"])
    ('phi', 'all')
    """
    return "all" if len(signs) == len(measured) > 1 else ", ".join(signs)


def _say_acts(acts: dict[str, Any], world: dict[str, Any]) -> None:
    """What the brain could recognise of its own acts in the run, beside what that compares with."""
    say(f"\nAgency over what it chose to read, measured in the run on its random choices: {value(acts)}")
    if acts["reason"] is not None:
        say(f"  not available: {acts['reason']}")
    say(f"  from the text itself, by a classifier outside the brain: {value(world)}")
    detail = acts["detail"]
    if "control.untrained.step" in detail:
        found = {
            "value": detail.get("control.untrained"),
            "uncertainty": detail.get("control.untrained.error"),
        }
        say(
            f"  by an untrained copy of the brain, at step {detail['control.untrained.step']:,.0f}: {value(found)}"
        )
    if "control.shuffled" in detail:
        say(f"  with the choices shuffled: {detail['control.shuffled']:.3f}")


def title(sign: str) -> str:
    """A vital sign's name for a person; agency over the brain's own text has a name of its own.

    >>> title("agency_self"), title("weight_norm")
    ('agency (own words)', 'weight norm')
    """
    return "agency (own words)" if sign == "agency_self" else label(sign)


def value(reading: dict[str, Any]) -> str:
    """A value with one standard error, or that there is none.

    >>> value({"value": 0.4567, "uncertainty": 0.0123}), value({"value": None, "uncertainty": None})
    ('0.457 ± 0.012', '–')
    """
    if reading["value"] is None:
        return MISSING
    error = reading["uncertainty"]
    return f"{reading['value']:.3f}" + ("" if error is None else f" ± {error:.3f}")


def label(name: str) -> str:
    """A name for a person.

    >>> label("zero_input")
    'zero input'
    """
    return name.replace("_", " ")


def _section(heading: str, lines: dict[str, str]) -> None:
    if lines:
        say(f"\n{heading}")
        for name, line in lines.items():
            say(f"  {name}: {line}")
