"""What is asked of a device, and what it cannot promise."""

from __future__ import annotations

import os

import pytest
import torch

from brain.devices import ask_for_determinism, has_float64, widened


def test_the_cpu_is_exact_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: pytest.fail("not asked for"))
    assert ask_for_determinism(torch.device("cpu")) == ()


def test_cuda_is_asked_for_fixed_orders_and_reports_that_some_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[bool, bool]] = []
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda on, *, warn_only: asked.append((on, warn_only))
    )
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    (difference,) = ask_for_determinism(torch.device("cuda", 0))
    assert "cuda" in difference
    assert asked == [(True, True)]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_mps_promises_nothing() -> None:
    assert ask_for_determinism(torch.device("mps")) == ("mps promises no fixed order of sums",)
    assert not has_float64(torch.device("mps"))


def test_what_is_widened_is_exact_and_stays_where_it_can() -> None:
    narrow = torch.tensor([0.1, 3.0], dtype=torch.bfloat16)
    assert widened(narrow).dtype == torch.float64
    assert widened(narrow).tolist() == narrow.tolist()
