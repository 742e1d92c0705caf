"""What the contract tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *filter(None, [case[1].get("precision")])]))
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    kind, settings = request.param
    return kind, settings, device
