"""Reading a text once: every byte scored once, both memories beside compressors of the same text, facts asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from benchmarks import prequential
from benchmarks.compressors import Compressed, compress
from benchmarks.facts import Fact, new_facts, share_completed, with_facts
from benchmarks.own_process import CallResult, call_in_own_process
from benchmarks.prequential import held_out_bpc, judge, judge_cpu, judge_facts, of_texts
from benchmarks.reading import Reading, Until, read_here
from benchmarks.texts import TEXTS, MissingTextError, Text, take, whole_characters

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"".join(b"the %d quick brown foxes\n" % number for number in range(60))
REMEMBERING = {"brain.hippocampus_mib": 20, "threads": 1}
HALF = {"half": Compressed(bpc=4.0, cpu_seconds=0.5, peak_bytes=10_000_000)}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads in this process, beside a compressor that halves."""

    def read(*args: Any, **settings: Any) -> CallResult[Reading]:
        return CallResult(value=read_here(*args, **settings), cpu_seconds=1.0, peak_bytes=20_000_000)

    monkeypatch.setattr(prequential, "read", read)
    monkeypatch.setattr(prequential, "compress", lambda text: (HALF, {"other": "not here"}))


def text_of(data: bytes) -> Text:
    return Text(name="foxes", what="foxes", data=data)


def test_every_byte_is_scored_once_and_held_out_text_by_the_surer_weights() -> None:
    found = read_here(TEXT, "tiny", {"threads": 1}, then=score_both)
    assert sum(found.num_bytes) == len(TEXT)
    assert len(found.seconds) == len(found.num_bytes) > 10
    assert not found.remembers
    assert 0.0 < found.network_bpc < 8.5
    assert found.further[0] == pytest.approx(min(found.further[1:]))


def score_both(brain: Any) -> tuple[float, ...]:
    rows = torch.frombuffer(bytearray(TEXT[:1000]), dtype=torch.uint8).view(1, 1000)
    everything = torch.ones_like(rows, dtype=torch.bool)
    fast = float(brain.score(rows, everything).sum())
    with brain.stable_weights():
        stable = float(brain.score(rows, everything).sum())
    return held_out_bpc(brain, TEXT[:1400]), *(nats / 1000 / math.log(2) for nats in (fast, stable))


def test_reading_ends_sooner_where_it_is_told_to() -> None:
    found = read_here(TEXT, "tiny", {"threads": 1}, until=Until(num_bytes=1000), then=len_of_state)
    assert 1000 <= sum(found.num_bytes) < 1000 + 8 * 32
    assert found.further > 0


def len_of_state(brain: Any) -> int:
    return len(brain.state().model)


def test_a_figure_is_over_all_bytes() -> None:
    reading = Reading(
        nats=[64 * math.log(256), 32 * math.log(2)],
        mixed_bits=[64.0, 32.0],
        num_bytes=[64, 32],
        cpu_seconds=2.0,
    )
    assert reading.network_bpc == pytest.approx((64 * 8 + 32) / 96)
    assert (reading.mixed_bpc, reading.bytes_a_cpu_second) == (1.0, 48.0)
    assert reading.cumulative([512.0, 32.0]) == pytest.approx([8.0, 544 / 96])


@pytest.mark.usefixtures("here")
def test_both_memories_and_the_network_alone_are_two_figures() -> None:
    both, network = judge("prequential.x", text_of(TEXT), "tiny", REMEMBERING, goal=1.8, long=False)
    assert (both.name, network.name) == ("prequential.x.both", "prequential.x.network")
    assert both.peers == network.peers == {"half": 4.0}
    assert 0.3 < both.ours < 0.7 * network.ours
    assert (both.target, network.target) == ("≤ 1.8 bits per byte", "≤ 1 × best peer")
    assert both.details["skipped"] == {"other": "not here"}
    assert both.details["note"].endswith("half 0.5 s, 10 MB.")


@pytest.mark.usefixtures("here")
def test_a_preset_without_an_exact_memory_has_one_figure_and_keeps_the_goal() -> None:
    (network,) = judge(
        "prequential.x",
        text_of(TEXT),
        "tiny",
        {"threads": 1},
        goal=0.5,
        stated={"elsewhere": 2.0},
        long=False,
    )
    assert network.name == "prequential.x.network"
    assert network.peers == {"half": 4.0, "elsewhere": 2.0}
    assert (network.target, network.holds) == ("≤ 0.5 bits per byte", False)


def test_a_text_that_is_not_here_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> bytes:
        raise MissingTextError("not on this machine")

    reported: list[dict[str, str]] = []

    def judged(name: str, *args: Any, skipped: dict[str, str], **settings: Any) -> list[str]:
        reported.append(dict(skipped))
        return [name]

    monkeypatch.setitem(TEXTS, "enwik8", ("enwik8", missing))
    monkeypatch.setattr(prequential, "judge", judged)
    monkeypatch.setattr(prequential, "TEXTS", ("enwik8", "made_up_log"))
    assert [str(name) for name in of_texts(long=False)] == ["prequential.default_made_up_log"]
    assert reported == [{"enwik8": "not on this machine"}]


def test_a_text_is_cut_between_characters() -> None:
    assert take("made_up_log", 1000).what == "the first 1 kB of a made-up server's log"
    assert whole_characters("Ёж".encode()[:3]) == "Ё".encode()


def test_the_network_is_compared_after_as_many_cpu_seconds() -> None:
    before = Reading(num_bytes=[1000], cpu_seconds=10.0, further=2.0)
    now = Reading(num_bytes=[1400], cpu_seconds=10.0, further=1.9)
    cpu, network = judge_cpu(before, now, of="x", long=False)
    assert cpu.ratio == pytest.approx(1.4)
    assert network.ours == pytest.approx(-0.1)
    assert (cpu.holds, network.holds) == (False, True)
    assert network.peers


def test_facts_stand_once_among_other_text() -> None:
    facts = new_facts()
    text = with_facts(TEXT * 4, facts)
    assert all(text.count(f"\n{fact.prompt}{fact.answer}\n".encode()) == 1 for fact in facts)
    assert len(text) == 4 * len(TEXT) + sum(len(fact.prompt + fact.answer) + 1 for fact in facts)
    assert share_completed(["7"], [Fact(prompt="a", answer="7")]) == 100.0
    assert share_completed(["7", "1"], [Fact(prompt="a", answer="7"), Fact(prompt="b", answer="2")]) == 50.0


@pytest.mark.usefixtures("here")
def test_facts_are_asked_of_both_memories_and_of_the_network_alone() -> None:
    found = judge_facts(text_of(TEXT * 3), "tiny", REMEMBERING, long=False)
    assert found.ours >= 75.0  # told among lines that are all alike
    assert found.peers == {"network alone": 0.0}
    assert [len(each) for each in found.details["answers"].values()] == [8, 8]


def test_a_function_is_called_in_a_process_of_its_own() -> None:
    found = call_in_own_process(sum, [1, 2])
    assert found.value == 3
    assert found.peak_bytes > 1_000_000
    with pytest.raises(RuntimeError, match=r"int failed in its own process(.|\n)*invalid literal"):
        call_in_own_process(int, "x")


def test_a_compressor_that_is_not_installed_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, skipped = compress(TEXT)
    assert set(found) == {"xz -9e", "PPMd order 12"}
    assert "apt install zpaq" in skipped["zpaq -m5"]
    assert 0.0 < found["PPMd order 12"].bpc < found["xz -9e"].bpc < 8.0
