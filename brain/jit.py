"""Loops compiled by Numba, and kept for the next start; where it is missing, functions stay as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    F = TypeVar("F", bound="Callable[..., Any]")

EXACT_ENOUGH = frozenset({"reassoc", "contract", "nsz", "arcp"})
"""What a compiler may do to sums of floats so that they become vectors; a value that is not finite stays one."""


def compile_all(
    *functions: Callable[..., Any],
    sources: Sequence[ModuleType],
    kept: bool,
    fastmath: frozenset[str] = frozenset(),
) -> list[Callable[..., Any]]:
    """These, to be compiled when they are first called, or taken from the cache if that is `kept`.

    Args:
        functions: to be compiled.
        sources: modules of all that is compiled; the cache goes by what stands in them.
        kept: look into the cache, and write to it.
        fastmath: what the compiler may assume of floats.

    Raises:
        ImportError: Numba is not installed.
    """
    import numba  # noqa: PLC0415 - costs a start nothing where nothing is compiled

    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = cache_folder(sources) or before  # it is read when a function is decorated
    allowed: Any = set(fastmath) or False
    try:
        return [numba.njit(nogil=True, cache=kept, fastmath=allowed)(function) for function in functions]
    finally:
        settings.CACHE_DIR = before


def cache_folder(sources: Sequence[ModuleType]) -> str:
    """Beside the bytecode of the first, by what stands in all of them; empty where that cannot be written."""
    files = [Path(str(source.__file__)) for source in sources]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = files[0].parent / "__pycache__" / f"compiled-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder)


def jitable(function: F) -> F:
    """May be called by what is compiled."""
    return _registered(function)


def vectorable(function: F) -> F:
    """As `jitable`; its sums of floats may become vectors."""
    return _registered(function, fastmath=set(EXACT_ENOUGH))


def of_two_forms(*, array: Callable[..., Any], parts: Callable[..., Any]) -> Callable[[F], F]:
    """What is compiled calls `array` for the decorated function if the matrix it is given is an array, else `parts`.

    Which of them follows from the type of the matrix, so it is decided when the call is compiled.
    """

    def decorate(function: F) -> F:
        try:
            from numba.core import types  # noqa: PLC0415 - it may be missing
            from numba.extending import overload  # noqa: PLC0415
        except ImportError:
            return function

        def through_array(matrix: Any, x: Any) -> Any:
            return array(matrix, x)

        def through_parts(matrix: Any, x: Any) -> Any:
            return parts(matrix, x)

        def chosen(matrix: Any, x: Any) -> Callable[..., Any]:
            del x
            return through_array if isinstance(matrix, types.Array) else through_parts

        overload(function)(chosen)
        return function

    return decorate


def _registered(function: F, **options: Any) -> F:
    try:
        from numba.extending import register_jitable  # noqa: PLC0415 - it may be missing
    except ImportError:
        return function
    registered: F = register_jitable(**options)(function) if options else register_jitable(function)
    return registered
