"""The texts that benchmarks read: from the data beside the checkout, the standard library, or made up."""

from __future__ import annotations

import ast
import hashlib
import json
import random
import sysconfig
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SHARED = Path(__file__).parents[2] / "shared" / "data"
ENWIK8 = "text/enwik8_prefix_4M.bin"
PACKAGE_LOG = Path("/var/log/dpkg.log")


class MissingTextError(Exception):
    """A text is not on this machine; the message says where it would lie."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """Bytes to read, in whole characters.

    Attributes:
        name: in the names of figures.
        what: in words, such as `the first 1 MB of enwik8`.
    """

    name: str
    what: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Which bytes these are."""
        return hashlib.sha256(self.data).hexdigest()


def take(name: str, num_bytes: int) -> Text:
    """The first bytes of a named text, all of it where it is shorter.

    Raises:
        MissingTextError: it is not here.
    """
    what, load = TEXTS[name]
    data = whole_characters(load()[:num_bytes])
    size = f"{len(data) / 1e6:.3g} MB" if len(data) >= 100_000 else f"{len(data) / 1e3:.3g} kB"
    return Text(name=name, what=f"the first {size} of {what}", data=data)


def whole_characters(data: bytes) -> bytes:
    """Without the beginning of a character whose rest is cut off.

    >>> whole_characters("né".encode()[:-1])
    b'n'
    """
    return data.decode(errors="ignore").encode()


def shared_bytes(name: str) -> bytes:
    """A file of the data beside the checkout.

    Raises:
        MissingTextError: it does not lie there.
    """
    path = SHARED / name
    if not path.exists():
        raise MissingTextError(f"no {name} in the data beside the checkout")
    return path.read_bytes()


def chats() -> bytes:
    """What people asked an assistant and what it answered, one message after the other."""
    messages = []
    for chat in json.loads(shared_bytes("preferences/dpo_en_demo.json")):
        messages += [message["value"] for message in (*chat["conversations"], chat["chosen"])]
    return "\n\n".join(messages).encode()


def package_log() -> bytes:
    """What this machine's package manager did.

    Raises:
        MissingTextError: it kept no log.
    """
    if not PACKAGE_LOG.exists():
        raise MissingTextError(f"no {PACKAGE_LOG}")
    return whole_characters(PACKAGE_LOG.read_bytes())


TEXTS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "enwik8": ("enwik8", lambda: shared_bytes(ENWIK8)),
    "chats": ("chats with an assistant in English, which nothing was tuned on", chats),
    "shakespeare": ("tinyshakespeare", lambda: shared_bytes("text/tinyshakespeare.txt")),
    "russian": ("Russian prose", lambda: shared_bytes("text/ru_classics.txt")),
    "python": ("the source of Python's standard library", lambda: first(python(), 2_000_000)),
    "json": ("clinc150, a JSON file", lambda: shared_bytes("intent/clinc150_full.json")),
    "package_log": ("this machine's dpkg.log, which differs from machine to machine", package_log),
    "made_up_log": ("a made-up server's log", lambda: first(logs(), 2_000_000)),
}
"""By name, what each is and how it is found."""


def five_sources(num_bytes: int) -> dict[str, bytes]:
    """English, Python, JSON, logs and Russian, `num_bytes` of each."""
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
