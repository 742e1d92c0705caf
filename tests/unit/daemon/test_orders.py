"""Orders: every body is checked where it is made, so no wrong one crosses the pipe."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.orders import ORDERS, Feed, Generate, Grow, Sleep
from tests.orders import order_of

NEEDED = {"feed": {"text": "x"}, "remembers": {"context": "x"}}


def test_every_action_has_a_body_with_defaults_or_needs_its_text() -> None:
    for action in ORDERS:
        order = order_of(action, NEEDED.get(action, {}))
        assert order.action == action
        assert pickle.loads(pickle.dumps(order)) == order


@pytest.mark.parametrize("action", ["stop", "pause", "continue", "checkpoint"])
@pytest.mark.parametrize("reason", [None, "", [], {}, 1, True, "x" * 201, "\ud800"])
def test_a_reason_is_text(action: str, reason: Any) -> None:
    with pytest.raises(ValidationError, match="reason"):
        order_of(action, {"reason": reason})


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("grow", {"site": []}),
        ("grow", {"site": ""}),
        ("grow", {"fraction": 0.0}),
        ("grow", {"fraction": float("nan")}),
        ("grow", {"fraction": "0.1"}),
        ("grow", {"operator": "recycle"}),
        ("growth", {"fraction": 2}),
        ("sleep", {"steps": 0}),
        ("sleep", {"steps": 1.0}),
        ("sleep", {"steps": True}),
        ("sleep", {"steps": 10**20}),
        ("evaluate", {"all": True}),
        ("feed", {}),
        ("feed", {"text": b"x"}),
        ("generate", {"max_bytes": 8193}),
        ("generate", {"temperature": float("inf")}),
        ("generate", {"top_p": 0}),
        ("generate", {"prompt": None}),
        ("remembers", {}),
        ("remembers", {"context": ""}),
        ("remembers", {"max_bytes": 1025, "context": "x"}),
    ],
)
def test_a_wrong_argument_is_named(action: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(arguments), "text")):
        order_of(action, arguments)


def test_what_is_right_stays_as_it_is() -> None:
    assert order_of("grow", {"site": "blocks.0.mlp", "fraction": 1}) == Grow(
        site="blocks.0.mlp", fraction=1.0
    )
    assert order_of("sleep") == Sleep(steps=None)
    assert order_of("feed", {"text": "é\0"}) == Feed(text="é\0", origin="api")
    assert order_of("generate") == Generate(prompt="", max_bytes=200, temperature=0.8, top_p=0.95)
