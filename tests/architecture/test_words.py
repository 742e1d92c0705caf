"""Names use the field's standard words, and text plain English: words and phrases that sound translated are refused."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("brain", "daemon", "benchmarks", "tests")
BANNED = {
    "told": "reported, notified",
    "said": "output, answered",
    "says": "output, answer",
    "heard": "read, received",
    "worn": "swapped in",
    "wearing": "swapped in",
    "nought": "zero",
    "noughts": "zeros",
    "lesson": "soft targets",
    "lessons": "soft targets",
    "reborn": "renewed",
}
# Words of neurogenesis: a unit, a block or a column is born; nothing else is.
BIRTHS = {"born", "newborn", "newborns"}
WHERE_UNITS_ARE_BORN = (
    "brain/", "daemon/trainer/growth/", "daemon/api/", "benchmarks/growth", "benchmarks/data/", "tests/",
)  # fmt: skip
# File names of revisions that databases know.
STORED_NAMES = {"0002_when_samples_were_said"}
PHRASES = {
    r"so many": "a number; one step in N",
    r"(go|goes|going|gone|went) on": "continue, resume",
    r"for ever": "forever",
    r"of before": "earlier",
    r"of whatever": "any",
    r"nothing else of": "only",
    r"of its own accord": "by itself",
    r"without end": "continuously, endless",
    r"(begin|begins|began|begun) anew": "start over",
    r"(is|are) no (TOML|JSON|UTF-8|Unicode|HTML)": "is not valid",
    r"names no path": "the path is empty",
    r"(knows|know) no locks": "does not support",
    r"over night": "overnight",
    r"lies? on (that|the shipped) preset": "extends",
}
PHRASE = re.compile(rf"\b(?:{'|'.join(PHRASES)})\b", re.IGNORECASE)
WRITTEN = (".md", ".py", ".js", ".mjs", ".html", ".toml", ".sh", ".bat")
IDENTIFIER_FIELDS = ("id", "attr", "name", "arg", "asname")


def words_of(name: str) -> set[str]:
    """The words of an identifier, in lower case.

    >>> sorted(words_of("_whatWas_said2"))
    ['said', 'was', 'what']
    """
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def identifiers(tree: ast.AST) -> set[str]:
    """All of a module but names of tests, which are sentences."""
    found = {
        value
        for node in ast.walk(tree)
        for field in IDENTIFIER_FIELDS
        if isinstance(value := getattr(node, field, None), str)
    }
    return {name for name in found if not name.startswith("test_")}


def misnamed(path: Path) -> set[str]:
    """Identifiers of a file, its own name among them, in which a refused word stands."""
    place = path.relative_to(ROOT).as_posix()
    refused = set(BANNED) | (set() if place.startswith(WHERE_UNITS_ARE_BORN) else BIRTHS)
    names = identifiers(ast.parse(path.read_text(encoding="utf-8"))) | {path.stem}
    return {name for name in names - STORED_NAMES if words_of(name) & refused}


def test_no_name_holds_a_word_that_the_field_does_not_use() -> None:
    files = [path for room in (*ROOMS, "migrations") for path in (ROOT / room).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): names for path in files if (names := misnamed(path))}
    assert found == {}, f"say it with the field's words: {BANNED}"


@pytest.mark.parametrize("name", ["_told", "Told", "told_both", "host_is_told", "SAID", "whatWasHeard"])
def test_such_a_word_is_found_in_any_form(name: str) -> None:
    assert words_of(name) & set(BANNED)
    assert not words_of("untold_unheard") & set(BANNED)


def translated(text: str) -> set[str]:
    """The refused phrases in a text, across line ends and comment signs.

    >>> sorted(translated("It goes\\n    # on for ever."))
    ['for ever', 'goes on']
    """
    plain = re.sub(r"\s+(?:(?:#|//|\*)\s+)?", " ", text)
    return {found.group() for found in PHRASE.finditer(plain)}


def test_no_text_holds_a_phrase_that_sounds_translated() -> None:
    rooms = (*ROOMS, "migrations", "docs", "dashboard", "presets")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in WRITTEN]
    files += [path for path in ROOT.iterdir() if path.suffix in WRITTEN]
    found = {
        path.relative_to(ROOT).as_posix(): phrases
        for path in files
        if path != Path(__file__) and (phrases := translated(path.read_text(encoding="utf-8")))
    }
    assert found == {}, f"write it as a native would: {PHRASES}"
