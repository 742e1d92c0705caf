"""Vital signs beside their controls, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.cli.probe_view import show_probe

if TYPE_CHECKING:
    import pytest


def reading(name: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "uncertainty": 0.012, "reason": None, "detail": {}} | more


def result(**more: Any) -> dict[str, Any]:
    silent = {"reason": "the input is constant", "uncertainty": None}
    return {
        "checkpoint": "continuous_1706123456",
        "step": 15_000,
        "ticks": 16,
        "vitals": {
            "checkpoint": {
                "phi": reading("phi", 0.4567),
                "agency_self": reading("agency_self", 0.7),
            },
            "zero_input": {
                "phi": reading("phi", None, **silent),
                "agency_self": reading("agency_self", None, **silent),
            },
        },
        "agency": None,
        "world_agency": None,
        "controls": {"zero_input": "the text is one byte over and over"},
        "expected": {"phi": "falls in every control"},
    } | more


def test_a_row_a_sign_a_column_a_control_and_the_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    show_probe(result())
    shown = capsys.readouterr().out
    assert shown.startswith("Vital signs of continuous_1706123456, step 15,000, over 16 batches")
    rows = {line.split("  ")[0]: line for line in shown.splitlines() if line}
    assert rows["phi"].split() == ["phi", "0.457", "±", "0.012", "–"]
    assert rows["agency (own words)"].split()[-4:] == ["0.700", "±", "0.012", "–"]
    assert "  zero input: the text is one byte over and over" in shown
    assert "  phi: falls in every control" in shown
    assert shown.rstrip().endswith("Why not available (–)\n  zero input, all: the input is constant")
    assert "random choices" not in shown


def test_what_this_kind_of_brain_cannot_have_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    lacks = {"reason": "this brain has no modules", "uncertainty": None, "detail": {"unsupported": 1.0}}
    severed = {"reason": "this brain cannot be severed", "uncertainty": None}
    signs = ("confidence", "phi", "integration")
    vitals = {
        "checkpoint": {
            "confidence": reading("confidence", 0.7),
            **{name: reading(name, None, **lacks) for name in signs[1:]},
        },
        "disconnected": {name: reading(name, None, **severed) for name in signs},
    }
    expected = {"confidence": "0.5 when shuffled", "phi": "below 0.1"}
    show_probe(result(vitals=vitals, controls={"disconnected": "cut"}, expected=expected))
    shown = capsys.readouterr().out
    assert shown.splitlines()[3].split() == ["confidence", "0.700", "±", "0.012", "–"]
    assert "below 0.1" not in shown
    assert "  disconnected, confidence: this brain cannot be severed" in shown
    assert shown.rstrip().endswith(
        "Not for this kind of brain\n  phi, integration: this brain has no modules"
    )


def test_agency_of_a_brain_that_acts_stands_beside_the_world_and_its_controls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    detail = {
        "acts": 1.0,
        "control.untrained.step": 9_000.0,
        "control.untrained": 0.07,
        "control.shuffled": -0.011,
    }
    world = reading("world_agency", 0.9, uncertainty=None)
    show_probe(result(agency=reading("agency", 0.31, detail=detail), world_agency=world))
    shown = capsys.readouterr().out
    assert "on its random choices: 0.310 ± 0.012" in shown
    assert "by a classifier outside the brain: 0.900" in shown
    assert "by an untrained copy of the brain, at step 9,000: 0.070" in shown
    assert "with the choices shuffled: -0.011" in shown


def test_a_control_that_was_not_available_is_no_zero(capsys: pytest.CaptureFixture[str]) -> None:
    detail = {"acts": 1.0, "control.untrained.step": 9_000.0}
    show_probe(
        result(agency=reading("agency", 0.31, detail=detail), world_agency=reading("world_agency", None))
    )
    assert "by an untrained copy of the brain, at step 9,000: –" in capsys.readouterr().out
