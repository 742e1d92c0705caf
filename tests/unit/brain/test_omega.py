"""Omega: what is compiled agrees with what it stands for, and without Numba nothing is claimed."""

from __future__ import annotations

import pytest

from brain import omega
from brain.blocks import recurrences


def test_what_is_compiled_agrees(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(omega, "ROWS", 1)
    monkeypatch.setattr(omega, "ROUNDS", 1)
    assert omega.main() == 0
    printed = capsys.readouterr().out
    assert printed.count("agrees") == 2
    monkeypatch.setattr(omega, "ALLOWED", -1.0)
    assert omega.main() == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_without_numba_it_fails_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recurrences, "compiled_loops", lambda: None)
    assert omega.main() == 1
    assert capsys.readouterr().out.count("\n") == 1
