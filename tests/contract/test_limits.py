"""What a brain cannot do is explained by settings that its own kind has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import daemon
from brain.memory.ports import Remembering
from brain.missing_capabilities import why_not_growable
from brain.vitals.config import RelianceConfig
from brain.vitals.signs.reliance import RelianceSign
from daemon.errors import ConflictError
from daemon.trainer.orders.recalling import what_it_remembers
from tests.contract.cases import CASES, LABELLED, make
from tests.unit.brain.vitals.test_reliance import step

ADVICE = re.compile(r"\bbrain\.[a-z_]+(?==| is )")
KINDS = [
    (kind, {**settings, "hippocampus_mib": 0} if "hippocampus_mib" in settings else settings)
    for kind, settings in dict([*CASES, *((kind, cases[0]) for kind, cases in LABELLED.items())]).items()
]


@pytest.mark.parametrize(("kind", "settings"), KINDS, ids=[kind for kind, _ in KINDS])
def test_only_settings_of_its_kind_are_named(kind: str, settings: dict[str, object]) -> None:
    brain = make(kind, settings, torch.device("cpu"))
    assert not (isinstance(brain, Remembering) and brain.remembers)
    with pytest.raises(ConflictError) as refused:
        what_it_remembers(brain, b"context", max_bytes=1)
    reading = RelianceSign(RelianceConfig()).measure(step(1, [0.5], brain=brain))  # type: ignore[arg-type]
    own = {f"brain.{name}" for name in brain.state().spec.get("config", {})}
    for text in (str(refused.value), str(reading.reason), why_not_growable(brain)):
        assert set(ADVICE.findall(text)) <= own, text


def test_no_part_of_the_daemon_names_a_setting_of_a_brain() -> None:
    named = re.compile(r"\"[^\"]*\bbrain\.(?!kind\b)[a-z_]+=")
    root = Path(daemon.__file__).parent
    command = "cli/quantize_command.py"  # is about one setting
    assert [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path != root / command and named.search(path.read_text("utf-8"))
    ] == []
