"""The texts that benchmarks read: from the data beside the checkout, the standard library, or made up."""

from __future__ import annotations

import ast
import json
import random
import sysconfig
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).parents[2] / "shared" / "data"


def five_sources(num_bytes: int) -> dict[str, bytes]:
    """English, Python, JSON, logs and Russian, so many bytes of each."""
    texts = {
        "english": shared("tinyshakespeare.txt") or english(),
        "python": python(),
        "json": structures(),
        "logs": logs(),
        "russian": shared("ru_classics.txt") or names(),
    }
    return {name: first(parts, num_bytes) for name, parts in texts.items()}


def first(parts: Iterator[str], num_bytes: int) -> bytes:
    """The first bytes of a text that comes in parts."""
    data = bytearray()
    for part in parts:
        data += part.encode()
        if len(data) >= num_bytes:
            break
    return bytes(data[:num_bytes].decode(errors="ignore").encode())


def shared(name: str) -> Iterator[str] | None:
    """A text of the data beside the checkout, if it lies there."""
    path = SHARED / "text" / name
    return iter([path.read_text(encoding="utf-8")]) if path.exists() else None


def standard_library() -> list[Path]:
    """Its modules, in a fixed order."""
    folder = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in folder.glob("*.py") if path.stat().st_size > 4096)


def python() -> Iterator[str]:
    """The standard library's own source."""
    for path in standard_library():
        yield path.read_text(encoding="utf-8")


def english() -> Iterator[str]:
    """Its docstrings."""
    for path in standard_library():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                text := ast.get_docstring(node)
            ):
                yield text + "\n\n"


def structures() -> Iterator[str]:
    """Its functions as JSON records."""
    for path in standard_library():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                record = {
                    "module": path.stem,
                    "name": node.name,
                    "line": node.lineno,
                    "arguments": [argument.arg for argument in node.args.args],
                    "documented": ast.get_docstring(node) is not None,
                    "statements": [type(statement).__name__ for statement in node.body],
                }
                yield json.dumps(record, indent=1) + "\n"


def logs() -> Iterator[str]:
    """Lines of a made-up server."""
    rng = random.Random(7)  # noqa: S311 - the same lines in every run
    seconds = 0.0
    while True:
        seconds += rng.expovariate(2.0)
        host, status = (
            rng.choice(("web-1", "web-2", "db", "cache")),
            rng.choice((200, 200, 200, 304, 404, 500)),
        )
        path = rng.choice(("/", "/login", "/api/v1/runs", f"/item/{rng.randrange(10_000)}"))
        hours, rest = divmod(int(seconds), 3600)
        yield (
            f"2026-02-{1 + hours // 24 % 28:02d}T{hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d} {host} "
            f"[{rng.choice(('INFO', 'INFO', 'WARN'))}] GET {path} {status} {rng.randrange(1, 900)}ms\n"
        )


def names() -> Iterator[str]:
    """Names of characters: another alphabet's stand-in where no Russian text lies."""
    for code in range(0x110000):
        if name := unicodedata.name(chr(code), ""):
            yield f"{chr(code)} {name}\n" if code < 0xD800 else f"{name}\n"
