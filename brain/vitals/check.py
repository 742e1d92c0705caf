"""`python -m brain.vitals.check FILE.json`: every known answer computed again.

Exit code 0 when all pass, 1 when one fails or its kind is unknown, 2 for a bad file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brain.errors import BrainError
from brain.vitals.known_answers import KINDS


class BadKnownAnswersError(BrainError):
    """The file is not a file of known answers."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One expected number beside the computed one. `passed` None: the file expects nothing here."""

    case: str
    key: str
    expected: Any
    computed: Any
    passed: bool | None
    note: str = ""


def check_case(case: Any) -> Iterator[Row]:
    """Compare every key of one case; a kind or key nobody computes is a failure.

    Raises:
        BadKnownAnswersError: when the case has not the shape {kind, name, inputs, expect}.
    """
    if not isinstance(case, Mapping) or not isinstance(case.get("expect"), Mapping):
        raise BadKnownAnswersError("a case is not an object with kind, name, inputs and expect")
    name, kind = str(case.get("name", "unnamed")), str(case.get("kind"))
    label = f"{kind}/{name}"
    expectations: dict[str, Any] = dict(case["expect"])
    if "cut" in case:
        expectations["cut"] = case["cut"]
    if not expectations:
        raise BadKnownAnswersError(f"case {label}: it expects nothing")
    if kind not in KINDS:
        yield Row(
            case=label, key="–", expected="–", computed="–", passed=False, note=f"unknown kind {kind!r}"
        )
        return
    try:
        computations = KINDS[kind](case["inputs"])
    except ValueError as problem:
        yield Row(case=label, key="–", expected="–", computed="–", passed=False, note=str(problem))
        return
    except (KeyError, TypeError) as problem:
        raise BadKnownAnswersError(f"case {label}: its inputs lack or misspell {problem}") from problem
    for key, expected in expectations.items():
        if key not in computations:
            yield Row(
                case=label,
                key=key,
                expected=expected,
                computed="–",
                passed=False,
                note="nobody computes this",
            )
            continue
        try:
            computed = computations[key]()
        except ValueError as problem:
            yield Row(case=label, key=key, expected=expected, computed="–", passed=False, note=str(problem))
            continue
        except (KeyError, TypeError) as problem:
            raise BadKnownAnswersError(f"case {label}: its inputs lack or misspell {problem}") from problem
        yield _compared(label, key, expected, computed)


def _compared(label: str, key: str, expected: Any, computed: Any) -> Row:
    """A row for one key: a cut must be the same halves, a number must lie within its tolerance."""
    if key == "cut":
        if not isinstance(expected, list) or not all(isinstance(part, list) for part in expected):
            raise BadKnownAnswersError(f"case {label}: cut must be a list of lists of nodes")
        halves = {frozenset(part) for part in computed}
        wanted = [frozenset(part) for part in expected]
        shown = [sorted(part) for part in computed]
        return Row(case=label, key=key, expected=expected, computed=shown, passed=halves == set(wanted))
    if not _is_expectation(expected):
        raise BadKnownAnswersError(f"case {label}: {key} must be [value or null, tolerance of at least 0]")
    value, tolerance = expected
    if value is None:
        return Row(
            case=label, key=key, expected=None, computed=computed, passed=None, note="nothing expected"
        )
    close = abs(float(value) - computed) <= float(tolerance) or float(value) == computed
    both_undefined = math.isnan(float(value)) and math.isnan(computed)
    return Row(case=label, key=key, expected=value, computed=computed, passed=bool(close or both_undefined))


def _is_expectation(expected: Any) -> bool:
    if not isinstance(expected, list) or len(expected) != 2:
        return False
    if not all(
        isinstance(part, int | float) and not isinstance(part, bool) for part in expected if part is not None
    ):
        return False
    value, tolerance = expected
    return value is None or (tolerance is not None and 0.0 <= tolerance < math.inf)


def read_cases(path: Path) -> Sequence[Any]:
    """The cases of a file.

    Raises:
        BadKnownAnswersError: when it cannot be read, is not JSON or holds no list of cases.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadKnownAnswersError(f"cannot read {path}: {problem.strerror}") from problem
    except ValueError as problem:
        raise BadKnownAnswersError(f"{path} is not JSON: {problem}") from problem
    except RecursionError as problem:
        raise BadKnownAnswersError(f"{path} is nested too deeply to be read") from problem
    cases = content.get("cases") if isinstance(content, dict) else content
    if not isinstance(cases, list) or not cases:
        raise BadKnownAnswersError(f"{path} holds no cases: wanted an object with a list called 'cases'")
    return cases


def main(arguments: Sequence[str] | None = None) -> int:
    """Print case, key, expected, computed and pass or fail; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m brain.vitals.check", description=__doc__)
    parser.add_argument("file", type=Path, help="known answers: {cases: [{kind, name, inputs, expect}]}")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    bad = 0
    try:
        cases = read_cases(options.file)
    except BadKnownAnswersError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    for case in cases:
        try:
            for row in check_case(case):
                rows.append(row)
                sys.stdout.write(_line(row) + "\n")
        except BadKnownAnswersError as problem:
            bad += 1
            sys.stdout.flush()
            sys.stderr.write(f"{problem}\n")
    failed = sum(row.passed is False for row in rows)
    passed = sum(row.passed is True for row in rows)
    skipped = len(rows) - failed - passed
    sys.stdout.write(
        f"{passed} passed, {failed} failed"
        + (f", {skipped} without expectation" if skipped else "")
        + (f", {bad} of {len(cases)} cases not readable" if bad else "")
        + "\n"
    )
    return 2 if bad else 1 if failed else 0


def _line(row: Row) -> str:
    verdict = {True: "pass", False: "FAIL", None: "–"}[row.passed]
    tail = f"  ({row.note})" if row.note else ""
    return (
        f"{row.case:<48} {row.key:<28} {_shown(row.expected):>24} {_shown(row.computed):>24}  {verdict}{tail}"
    )


def _shown(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.15g}"
    return "–" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
