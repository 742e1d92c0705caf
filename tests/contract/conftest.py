"""What the contract tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from tests.tiny_brains.specs import registered

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.contract.cases import CASES, Case, devices


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(params=devices())
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


def named(case: tuple[str, dict[str, Any]]) -> str:
    kind, settings = case
    ternary = "ternary" if settings.get("ternary") else None
    return "-".join(filter(None, [kind, settings.get("precision"), ternary]))


@pytest.fixture(params=CASES, ids=named)
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    kind, settings = request.param
    return kind, settings, device
