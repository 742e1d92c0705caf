"""Marks functions that may be compiled; where Numba is missing they stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from brain.compiled import EXACT_ENOUGH

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound="Callable[..., Any]")


def jitable(function: F) -> F:
    """May be called by what is compiled."""
    return _registered(function)


def vectorable(function: F) -> F:
    """As `jitable`; its sums of floats may become vectors."""
    return _registered(function, fastmath=set(EXACT_ENOUGH))


def _registered(function: F, **options: Any) -> F:
    try:
        from numba.extending import register_jitable  # noqa: PLC0415 - it may be missing
    except ImportError:
        return function
    registered: F = register_jitable(**options)(function) if options else register_jitable(function)
    return registered
