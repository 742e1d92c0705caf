"""Every stored known answer, case by case, with the functions that run live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brain.vitals.check import check_case
from brain.vitals.known_answers import KINDS

HERE = Path(__file__).with_name("known_answers.json")
CASES: list[dict[str, Any]] = json.loads(HERE.read_text(encoding="utf-8"))["cases"] if HERE.exists() else []


@pytest.mark.skipif(not CASES, reason="known_answers.json does not lie beside this test")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['name']}")
def test_case_is_computed_again(case: dict[str, Any]) -> None:
    rows = list(check_case(case))
    assert rows
    assert [row for row in rows if row.passed is False] == []


@pytest.mark.skipif(not CASES, reason="known_answers.json does not lie beside this test")
def test_every_kind_has_a_case() -> None:
    assert {case["kind"] for case in CASES} == set(KINDS)
