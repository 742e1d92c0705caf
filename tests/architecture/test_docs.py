"""The docs say what the program does: generated pages are fresh, links lead somewhere, commands exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import typer.main

from daemon.cli.app import app
from daemon.cli.reference import FOLDER, pages
from daemon.config.loading import resolve_config, setting_names
from daemon.config.tree import DEFAULT_BRAIN
from tests.faults import reliability

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\bsynapsed +([a-z]+)\b")
PROSE_AFTER_NAME = {
    "is",
    "in",
    "as",
    "on",
    "and",
    "answers",
    "keeps",
    "runs",
    "itself",
    "from",
    "to",
    "needs",
    "for",
}


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_references_are_fresh(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], "run: python -m daemon.cli.reference"


def test_every_setting_stands_in_the_reference() -> None:
    text = (FOLDER / "config.md").read_text(encoding="utf-8")
    assert [
        name for name in setting_names(DEFAULT_BRAIN) if f"`{name}`" not in text and name != "brain.kind"
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    broken = [target for target in targets if not (page.parent / target.partition("#")[0]).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_code_exist(page: Path) -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert set(COMMAND.findall(code)) - commands - PROSE_AFTER_NAME == set()


def test_the_readme_opens_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12]
    assert "./run_dashboard.sh" in "\n".join(head)
    assert "./run_tests.sh" in "\n".join(head)


def test_the_readme_names_every_room() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rooms = [path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f"{room}/" not in text] == []


def test_toml_in_the_docs_is_a_preset_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "intents.csv").write_text("question,intent\nWhere is my card?,card_arrival\n")
    for folder in ("books", "notes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.txt").write_text("Call me Ishmael.")
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    ]
    assert blocks
    for number, block in enumerate(blocks):
        preset = tmp_path / f"{number}.toml"
        preset.write_text(block, encoding="utf-8")
        given = {} if "[[stream.source]]" in block else {"stream.data": ["books", "notes"]}
        resolve_config(preset=preset, overrides=given, environ={})


def test_no_label_of_the_windows_script_comes_twice() -> None:
    lines = (ROOT / "run_dashboard.bat").read_text(encoding="utf-8").splitlines()
    labels = [line.strip() for line in lines if line.startswith(":")]
    assert labels == [":make_venv"]
    called = {word for line in lines for word in line.split() if word.startswith(":")}
    assert called == set(labels)
    assert sum(line.count("(") - line.count("^(") for line in lines) == sum(
        line.count(")") - line.count("^)") for line in lines
    )


def test_the_page_of_faults_is_fresh_and_all_of_them_held() -> None:
    written = reliability.PAGE.read_text(encoding="utf-8")
    assert written == reliability.page(reliability.declared()), "run: pytest tests/faults --write-reliability"


def test_the_changelog_says_nothing_twice() -> None:
    unreleased = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n## Unreleased\n")[2]
    unreleased = unreleased.partition("\n## ")[0]
    headings = re.findall(r"^### (.*)$", unreleased, flags=re.MULTILINE)
    entries = re.findall(r"^- (.*(?:\n  .*)*)", unreleased, flags=re.MULTILINE)
    assert headings
    assert entries
    assert _doubled(headings) == []
    assert _doubled([" ".join(entry.split()[:4]) for entry in entries]) == [], "two entries begin alike"
    assert [line for line in unreleased.splitlines() if len(line) > 130] == []


def _doubled(items: list[str]) -> list[str]:
    return sorted(item for item, count in Counter(items).items() if count > 1)
