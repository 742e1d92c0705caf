"""Orders by the name of their action, as tests write them."""

from __future__ import annotations

from typing import Any

from daemon.orders import ORDERS, Order


def order_of(action: str, arguments: dict[str, Any] | None = None) -> Order:
    """The order of this name with these arguments."""
    return ORDERS[action](**(arguments or {}))
