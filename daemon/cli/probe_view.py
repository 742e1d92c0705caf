"""How `synapsed probe` shows vital signs beside their null controls."""

from __future__ import annotations

from typing import Any

from daemon.cli.output import MISSING, print_table
from daemon.cli.printing import say


def show_probe(result: dict[str, Any]) -> None:
    """A row a vital sign, a column a control; then what each took away and why something is missing."""
    vitals: dict[str, dict[str, Any]] = result["vitals"]
    own = next(iter(vitals.values()))
    say(f"Vital signs of {result['checkpoint']}, step {result['step']:,}, over {result['ticks']} batches\n")
    rows = [
        {"vital sign": title(own[sign])} | {column: value(vitals[column][sign]) for column in vitals}
        for sign in own
    ]
    print_table(rows, ("vital sign", *vitals), empty="")
    if result["agency"] is not None:
        _say_acts(result["agency"], result["world_agency"])
    _section("What each control takes away", result["controls"])
    _section("What is to be expected", result["expected"])
    why = {
        f"{label(sign)}, {label(column)}": reading["reason"]
        for column, readings in vitals.items()
        for sign, reading in readings.items()
        if reading["value"] is None
    }
    if why:
        _section(f"Why not available ({MISSING})", why)


def _say_acts(acts: dict[str, Any], world: dict[str, Any]) -> None:
    """What the brain could recognise of its own acts in the run, beside what that compares with."""
    say(f"\nAgency, from the run's own random choices: {value(acts)}")
    if acts["reason"] is not None:
        say(f"  not available: {acts['reason']}")
    say(f"  how far the world answers them, whoever looks: {value(world)}")
    detail = acts["detail"]
    if "control.untrained.step" in detail:
        found = {
            "value": detail.get("control.untrained"),
            "uncertainty": detail.get("control.untrained.error"),
        }
        say(f"  an untrained twin, at step {detail['control.untrained.step']:,.0f}: {value(found)}")
    if "control.shuffled" in detail:
        say(f"  shuffled choices: {detail['control.shuffled']:.3f}")


def title(reading: dict[str, Any]) -> str:
    """A vital sign's name for a person; agency over the brain's own text has a name of its own."""
    return "agency (own words)" if reading["name"] == "agency_self" else label(reading["name"])


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
    say(f"\n{heading}")
    for name, line in lines.items():
        say(f"  {label(name)}: {line}")
