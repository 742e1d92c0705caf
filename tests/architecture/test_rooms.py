"""The house: who may import whom, how large a file may grow, what its files may be called."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import daemon

ROOT = Path(__file__).parents[2]
ROOMS = ("brain", "daemon", "dashboard", "migrations", "benchmarks")
LINES_MAX = 400
# A file of these names is found in several rooms, each time for the same purpose: settings, exceptions, protocols.
SAME_IN_EVERY_ROOM = {"__init__", "config", "errors", "ports"}
SAME_IN_EVERY_MODEL = {"network", "spec"}  # brain/models: a folder each
# Here the folder says what is done, and a file what it is done with: a route for runs, the events of runs, a kind of
# source by the name that a preset gives it.
NAMED_BY_SUBJECT = {
    "daemon/api/routes", "daemon/events", "daemon/schedule/jobs", "daemon/streams/kinds", "daemon/streams/mixes",
}  # fmt: skip
MODELS = Path("brain/models")
HOMELESS_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
# The supervisor's side of the house, all that must start without torch and numpy.
HEAVY = {"torch", "numpy", "scipy"}
LIGHT = (
    "daemon.cli.app", "daemon.home", "daemon.config.loading", "daemon.supervisor.daemon", "daemon.api.asgi_app",
    "daemon.store.store", "daemon.checkpoint.catalogue", "brain.registry",
)  # fmt: skip


def source_files() -> list[Path]:
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts]


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_called_daemon_is_ours() -> None:
    assert daemon.__file__ is not None
    assert Path(daemon.__file__).parent == ROOT / "daemon"


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint)], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_route_is_handed_its_ports_never_all_of_them() -> None:
    routes = (ROOT / "daemon" / "api" / "routes").glob("*.py")
    texts = {path.name: path.read_text(encoding="utf-8") for path in routes}
    assert len(texts) > 10
    assert [name for name, text in texts.items() if "state.context" in text or "Context\n" in text] == []


def test_help_loads_neither_torch_nor_a_server() -> None:
    statement = (
        "import contextlib, io\nfrom daemon.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    assert main(['--help']) == 0"
    )
    heavy = {"torch", "numpy", "scipy", "fastapi", "uvicorn", "sqlalchemy", "httpx", "plotly"}
    assert loaded_by(statement) & heavy == set()


@pytest.mark.parametrize("module", LIGHT)
def test_the_supervisors_side_loads_neither_torch_nor_numpy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_settings_and_vital_signs_are_listed_without_torch_and_numpy() -> None:
    statement = (
        "from brain.vitals.sign_registry import describe_vitals; describe_vitals()\n"
        "from daemon.config.loading import *; list_presets(); list_brains(); resolve_config(environ={})"
    )
    assert loaded_by(statement) & HEAVY == set()


def test_no_file_outgrows_its_reader() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()
    }
    assert {str(path): length for path, length in lengths.items() if length > LINES_MAX} == {}


def test_every_file_is_called_by_what_it_holds() -> None:
    assert [str(path) for path in source_files() if path.stem in HOMELESS_NAMES] == []


def root_of(word: str) -> str:
    """What `end`, `ends`, `ended`, `ender` and `ending` share."""
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "er", "ed"):
        if word.endswith(ending) and len(word) >= len(ending) + 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] not in "ls":  # committer, commit
                word = word[:-1]
            break
    return word.rstrip("e")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ending", "endings"),
        ("config", "configs"),
        ("history", "histories"),
        ("carry_over", "carrying_over"),
        ("commit", "committer"),
        ("write", "writing"),
        ("store", "stored"),
    ],
)
def test_names_are_alike_that_differ_by_an_ending(one: str, other: str) -> None:
    assert root_of_name(one) == root_of_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("bus", "bu"), ("process", "proces"), ("ring", "r"), ("step", "steep")]
)
def test_names_differ_whose_words_do(one: str, other: str) -> None:
    assert root_of_name(one) != root_of_name(other)


def root_of_name(stem: str) -> str:
    return "_".join(root_of(word) for word in stem.split("_"))


def test_no_two_files_in_rooms_side_by_side_have_one_name_or_similar_ones() -> None:
    places: dict[str, list[str]] = {}
    for path in source_files():
        place = path.relative_to(ROOT)
        same = SAME_IN_EVERY_ROOM | (SAME_IN_EVERY_MODEL if place.parent.parent == MODELS else set())
        if path.stem in same or place.parent.as_posix() in NAMED_BY_SUBJECT:
            continue
        if place.parts[0] in ("brain", "daemon"):
            places.setdefault(root_of_name(path.stem), []).append(str(place))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_every_module_of_the_packages_can_be_imported_by_name() -> None:
    """A missing __init__.py would keep a folder out of an installed synapsed."""
    found = {
        module.name
        for room in ("brain", "daemon")
        for module in pkgutil.walk_packages([str(ROOT / room)], f"{room}.")
    }
    expected = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in source_files()
        if path.parts[len(ROOT.parts)] in ("brain", "daemon") and path.stem != "__init__"
    }
    assert expected <= found
