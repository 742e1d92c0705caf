"""What becomes of the loops where compiling, or what was kept of it, fails."""

from __future__ import annotations

import builtins
import inspect
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brain.jit import cache_folder
from brain.memory.hippocampus import compiled, kernel

if TYPE_CHECKING:
    import pytest


def test_without_numba_they_run_as_they_stand(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "numba":
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    loops = compiled.Loops()
    with caplog.at_level(logging.WARNING):
        loops.compile()
    assert not loops.wait().compiled
    assert loops.read_rows is kernel.read_rows
    assert "pip install numba" in caplog.text


def test_a_damaged_cache_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_them(*, kept: bool) -> Any:
        if kept:
            raise EOFError("ran out of input")  # as unpickling a torn file does
        return compiled_read, compiled_spread

    def compiled_read() -> None:
        """Stands for the compiled loop."""

    def compiled_spread() -> None:
        """Stands for the other."""

    monkeypatch.setattr(compiled, "_compile", compile_them)
    loops = compiled.Loops()
    loops.compile()
    assert loops.wait().compiled
    assert loops.read_rows is compiled_read


def test_where_nothing_can_be_compiled_it_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*, kept: bool) -> Any:
        raise RuntimeError(f"no compiler, kept={kept}")

    monkeypatch.setattr(compiled, "_compile", fail)
    loops = compiled.Loops()
    with caplog.at_level(logging.WARNING):
        loops.compile()
    assert not loops.wait().compiled
    assert "no compiler, kept=False" in caplog.text


def test_whoever_waits_for_the_compiler_is_told_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("brain.memory.hippocampus.compiled.PATIENT_SECONDS", 0.0)
    monkeypatch.setattr("brain.memory.hippocampus.compiled.WAIT_SECONDS", 0.0)
    waiting = compiled.Loops()
    assert not waiting.wait().compiled
    assert "compiling the loops" in caplog.text
    caplog.clear()
    waiting.ready.set()
    waiting.wait()
    assert not caplog.text


def test_the_cache_lies_in_a_folder_named_by_what_is_compiled() -> None:
    folder = Path(cache_folder(compiled.SOURCES))
    assert folder.is_dir()
    assert folder.parent == Path(compiled.__file__).parent / "__pycache__"
    # All files of the room whose functions the loops call.
    called = {
        getattr(kernel, name).__module__
        for name in kernel.read_rows.__code__.co_names + kernel.spread.__code__.co_names
        if inspect.isfunction(getattr(kernel, name, None))
    }
    assert called <= {source.__name__ for source in compiled.SOURCES}
