"""The check command: exit codes, one clear line for a bad file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from brain.vitals.check import main

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "kind": "gaussian_var",
    "name": "pair",
    "inputs": {"A": [[0, 0.9], [0.9, 0]], "Q": [[1, 0], [0, 1]], "partition": [[1], [0]]},
    "expect": {"phi_g_min": [1.6607312068216513, 1e-6], "tdmi": [1.6607312068216513, 1e-8]},
    "cut": [[1], [0]],
}


def written(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "answers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_right_answers_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(tmp_path, {"cases": [GOOD]})]) == 0
    assert "3 passed, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"expect": {"tdmi": [1.7, 1e-8]}},
        {"expect": {"unheard_of": [1.0, 1.0]}},
        {"kind": "unheard_of"},
        {"inputs": {"A": [[1.5]], "Q": [[1]]}},
        {"inputs": {**GOOD["inputs"], "A": [[0, 0.5], [0.9, 0]]}},
    ],
)
def test_wrong_or_unknown_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    assert main([written(tmp_path, {"cases": [{**GOOD, **change}]})]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_wrong_cut_fails(tmp_path: Path) -> None:
    network = [[0.4, 0.4, 0, 0], [0.4, 0.4, 0, 0], [0, 0, 0.4, 0.4], [0, 0, 0.4, 0.4]]
    identity = [[float(i == j) for j in range(4)] for i in range(4)]
    case = {"kind": "gaussian_var", "name": "pairs", "inputs": {"A": network, "Q": identity}, "expect": {}}
    assert main([written(tmp_path, {"cases": [{**case, "cut": [[0, 1], [2, 3]]}]})]) == 0
    assert main([written(tmp_path, {"cases": [{**case, "cut": [[0, 2], [1, 3]]}]})]) == 1


def test_nothing_expected_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(tmp_path, {"cases": [{**GOOD, "expect": {"tdmi": [None, 1e-8]}}]})]) == 0
    assert "1 without expectation" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        {},
        {"cases": []},
        {"cases": ["text"]},
        {"cases": [{"kind": "gaussian", "name": "x", "inputs": {}, "expect": {"o_information": [0, 1]}}]},
        {"cases": [{**GOOD, "expect": {"tdmi": 1.0}}]},
        {"cases": [{**GOOD, "inputs": None}]},
        {"cases": [{**GOOD, "expect": {}, "cut": 3}]},
        {"cases": [{**{key: GOOD[key] for key in ("kind", "name", "inputs")}, "expect": {}}]},
        {"cases": [{**GOOD, "expect": {"tdmi": ["a", "b"]}}]},
        {"cases": [{**GOOD, "expect": {"tdmi": [1, None]}}]},
        {"cases": [{**GOOD, "expect": {"tdmi": [1.7, 1e999]}}]},
        "[" * 100_000,
    ],
)
def test_bad_file_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any) -> None:
    assert main([written(tmp_path, content)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "Traceback" not in complaint


def test_the_cases_behind_a_bad_one_are_still_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([written(tmp_path, {"cases": ["text", GOOD]})]) == 2
    assert "3 passed, 0 failed, 1 of 2 cases not readable" in capsys.readouterr().out


def test_missing_file_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere.json")]) == 2
    assert "cannot read" in capsys.readouterr().err
