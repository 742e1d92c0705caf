"""The page's modules without a DOM, run by node's own test runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DASHBOARD = HERE.parents[2] / "dashboard"
NODE = shutil.which("node")


@pytest.mark.parametrize("module", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
@pytest.mark.skipif(NODE is None, reason="node is not installed; it runs the page's module tests")
def test_module(module: Path) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", str(module)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 0


def test_only_text_is_ever_set() -> None:
    """Markup is never parsed from a string, so no text can become an element."""
    parsing = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function"
    )
    for script in (DASHBOARD / "static").glob("*.js"):
        assert not parsing.search(script.read_text(encoding="utf-8")), script.name


def test_page_names_no_other_host_and_no_inline_code() -> None:
    page = (DASHBOARD / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", page)
    for file in (DASHBOARD / "static").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://[a-z]", text), file.name


def test_every_file_the_page_names_is_there() -> None:
    named = re.findall(r"\"/static/([^\"]+)\"", (DASHBOARD / "index.html").read_text(encoding="utf-8"))
    for script in (DASHBOARD / "static").glob("*.js"):
        named += re.findall(r"from \"\./([^\"]+)\"", script.read_text(encoding="utf-8"))
    assert named
    for name in named:
        assert (DASHBOARD / "static" / name).is_file(), name


def test_map_style_id_is_plotlys_own() -> None:
    """Without this id Plotly adds an inline style, which the Content-Security-Policy refuses."""
    plotly = pytest.importorskip("plotly", reason="plotly is not installed")
    bundle = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    identity = re.search(r'getElementById\("([0-9a-f]{64})"\)', bundle)
    assert identity is not None
    assert identity[1] in (DASHBOARD / "index.html").read_text(encoding="utf-8")
