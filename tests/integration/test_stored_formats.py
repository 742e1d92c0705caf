"""Checkpoints of every format that was ever published resume, and continue as they would have then."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load

from brain.memory.hippocampus.context_tables import READ
from daemon.checkpoint.manifest import ALL_FILES, FORMAT_VERSION, TABLES, read_manifest
from daemon.home import Home
from tests.fixtures import make_format
from tests.fixtures.make_format import FURTHER_STEPS, HERE, learn, tables_hash, weights_hash, where

# What `expected.json` of format 1 holds differs from what was written with it: since then the self model is clipped by
# a norm of its own, so that a brain whose gradients are clipped continues with slightly other numbers.
FORMATS = sorted(path for path in HERE.iterdir() if path.name.startswith("format_"))
NEWEST = FORMATS[-1]


@dataclass
class Continued:
    """What became of a stored checkpoint, and what should have."""

    stored: Path
    start: Path
    end: Path
    bpc: list[float]
    expected: dict[str, Any]

    @property
    def elsewhere(self) -> list[str]:
        """What differs here from where the bits were written down."""
        here, there = where(), self.expected["environment"]
        names = there.keys() - {"python"}  # which computes no weight
        return [f"{name} {there[name]}, here {here[name]}" for name in names if there[name] != here[name]]


@pytest.fixture(scope="module", params=FORMATS, ids=lambda path: path.name)
def continued(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Continued:
    stored: Path = request.param
    home = Home.open(tmp_path_factory.mktemp(stored.name), environ={})
    home.prepare()
    shutil.copytree(stored / "checkpoints", home.checkpoints, dirs_exist_ok=True)
    shutil.copytree(stored / "replay", home.replay, dirs_exist_ok=True)
    expected = json.loads((stored / "expected.json").read_text())
    settings = expected.get("settings", make_format.SETTINGS)
    start = home.checkpoints / "continuous_1"
    end, bpc = learn(home, FURTHER_STEPS, settings, session=2, checkpoint=start)
    return Continued(stored, start, end, bpc, expected)


def test_it_continues_from_where_it_was(continued: Continued) -> None:
    assert _step(continued.end) == _step(continued.start) + FURTHER_STEPS
    assert continued.bpc == pytest.approx(
        continued.expected["bpc"], rel=1e-4
    )  # another processor rounds otherwise


def test_it_continues_to_the_same_bits(continued: Continued) -> None:
    if continued.elsewhere:
        pytest.skip(f"the bits were written down elsewhere: {'; '.join(continued.elsewhere)}")
    assert continued.bpc == continued.expected["bpc"]
    assert weights_hash(continued.end) == continued.expected["weights"]
    if continued.stored == NEWEST:  # older tables have been upgraded
        assert tables_hash(continued.end) == continued.expected["tables"]


def test_none_that_had_an_exact_memory_begins_it_anew(continued: Continued) -> None:
    had_one = "brain__hippocampus_mib" in continued.expected.get("settings", {})
    assert had_one == bool(_past_read(continued.start))
    assert _past_read(continued.end) > _past_read(continued.start) or not had_one


@pytest.mark.parametrize("continued", [NEWEST], indirect=True, ids=lambda path: path.name)
def test_what_is_saved_today_is_what_is_stored(continued: Continued) -> None:
    """Otherwise the format has changed and the older one must stay readable: store a new one."""
    assert set(read_manifest(continued.start).files) == set(read_manifest(continued.end).files)
    for name in ALL_FILES:
        assert _names(continued.start / name) == _names(continued.end / name), f"{name}: make a new fixture"


def test_the_newest_fixture_is_of_todays_format_with_tables_and_of_the_pinned_torch() -> None:
    manifest = read_manifest(NEWEST / "checkpoints" / "continuous_1")
    assert (manifest.format_version, set(manifest.files)) == (FORMAT_VERSION, set(ALL_FILES))
    assert _names(NEWEST / "checkpoints" / "continuous_1" / TABLES)
    torch = json.loads((NEWEST / "expected.json").read_text())["environment"]["torch"].partition("+")[0]
    # With another one the comparison of bits would be skipped wherever the tests run.
    assert f"torch=={torch}" in (Path(__file__).parents[2] / "constraints.txt").read_text().split()


def test_what_was_published_is_never_made_again() -> None:
    with pytest.raises(FileExistsError):
        make_format.main(NEWEST)


def _step(checkpoint: Path) -> int:
    return int(json.loads((checkpoint / "state.json").read_text())["step"])


def _past_read(checkpoint: Path) -> int:
    """Bytes that its exact memory has read."""
    path = checkpoint / TABLES
    stored = load(gzip.decompress(path.read_bytes())) if path.exists() else {}
    return sum(
        int(tensor[:, READ].sum()) for name, tensor in stored.items() if name.endswith("hippocampus|stand")
    )


def _names(path: Path) -> set[str]:
    """Of what a file of a checkpoint holds: tensors, or the entries of its JSON."""
    if path.name == TABLES:
        return set(load(gzip.decompress(path.read_bytes())))
    if path.suffix == ".json":
        return set(json.loads(path.read_text()))
    with safe_open(path, "pt") as file:
        return set(file.keys())
