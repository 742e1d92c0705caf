"""What is sent of a recollection: every byte readable, cut between characters, and a refusal in one line."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from brain.memory.ports import Passage, Recollection
from brain.ports import BrainState
from daemon.errors import ConflictError
from daemon.trainer.orders.recalling import SessionSources, as_dict, what_it_remembers

EVEN = torch.full((256,), 1 / 256, dtype=torch.float64)


def recollection(match: Passage | None = None, completion: bytes = b"") -> Recollection:
    sure = torch.zeros(256, dtype=torch.float64)
    sure[[0x0A, 0x20, 0xE9, ord("e")]] = torch.tensor([0.5, 0.25, 0.125, 0.0625], dtype=torch.float64)
    return Recollection(num_bytes=4, match=match, memory=sure, network=EVEN, both=EVEN, completion=completion)


def test_the_likeliest_bytes_come_first_and_each_can_be_shown() -> None:
    shown = as_dict(recollection())
    memory = [(one["byte"], one["text"], one["probability"]) for one in shown["next"]["memory"][:4]]
    assert memory == [(10, "\\n", 0.5), (32, "space", 0.25), (0xE9, "\\xe9", 0.125), (101, "e", 0.0625)]
    assert len(shown["next"]["both"]) == 5
    assert (shown["match"], shown["context_bytes"], shown["completion"]) == (None, 4, "")


def test_a_passage_is_cut_between_characters_and_what_is_no_utf_8_is_shown_as_escapes() -> None:
    cafe = "café".encode()
    match = Passage(
        length=len(cafe),
        bytes_ago=9,
        source=1,
        step=40,
        before="€ né ".encode()[1:],
        matched="é".encode()[1:] + cafe,
        after=b" \xff <b>" + "ü".encode()[:1],
    )
    shown = as_dict(
        recollection(match, completion="naïve".encode()[:3]), lambda source, step: f"{source} at {step}"
    )
    assert shown["match"] == {
        "length": len(cafe),
        "bytes_ago": 9,
        "step": 40,
        "source": "1 at 40",
        "before": " né \\xa9",
        "matched": "café",
        "after": " \\xff <b>",
    }
    assert shown["completion"] == "na"
    assert json.loads(json.dumps(shown)) == shown


def test_a_source_has_a_name_if_it_was_read_in_this_session() -> None:
    stream = SimpleNamespace(sources=[SimpleNamespace(name="notes"), SimpleNamespace(name="pushed")])
    name_of = SessionSources(stream, first_step=100)  # type: ignore[arg-type]
    assert [name_of(0, 100), name_of(1, 250), name_of(0, 99), name_of(2, 250)] == [
        "notes",
        "pushed",
        None,
        None,
    ]
    undated = Passage(length=6, before=b"", matched=b"abcdef", after=b"", bytes_ago=9, source=None, step=None)
    shown = as_dict(recollection(undated), name_of)["match"]
    assert (shown["step"], shown["source"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("synapse", r"no exact memory: .*--set brain\.hippocampus_mib=128 has one$"),
        ("classifier", "^a brain of kind classifier has no exact memory$"),
    ],
)
def test_a_brain_without_an_exact_memory_refuses_in_one_line(kind: str, expected: str) -> None:
    config = {"hippocampus_mib": 0} if kind == "synapse" else {}
    state = BrainState(model={}, learning={}, counters={}, spec={"kind": kind, "config": config})
    with pytest.raises(ConflictError, match=expected) as refused:
        what_it_remembers(SimpleNamespace(state=lambda: state), b"x", max_bytes=5)
    assert "\n" not in str(refused.value)
