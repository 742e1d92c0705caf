"""Marks functions that may be compiled; where Numba is missing they stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound="Callable[..., Any]")

try:
    from numba.extending import register_jitable as jitable
except ImportError:

    def jitable(function: F) -> F:  # type: ignore[no-redef]
        """The function as it is."""
        return function


__all__ = ["jitable"]
