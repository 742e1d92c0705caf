"""The benchmark of thinking reads the same for every arm, and judges at equal bytes and at equal CPU seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import thinking
from benchmarks.thinking import ARMS, DRAWN, NONE, PLAIN, TIED, UNTIED, Arm, read_in_turns, results

if TYPE_CHECKING:
    import torch

TINY: dict[str, Any] = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "byte_size": 8, "bigram_size": 4}


@pytest.fixture(scope="module")
def read() -> tuple[dict[str, Arm], torch.Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinking, "BASE", TINY | {"self_model_size": 4, "precision": "fp32"})
        patch.setattr(thinking, "LENGTH", 16)
        patch.setattr(thinking, "HELD_OUT_BYTES", 300)
        patch.setattr(thinking, "ROW_BYTES", 100)
        small = {name: {**own, "hidden_size": 16} for name, own in ARMS.items()}
        return read_in_turns(4 * 8 * 16, small)


def test_every_arm_looks_four_times_and_is_read_with_its_steps(
    read: tuple[dict[str, Arm], torch.Tensor],
) -> None:
    arms, held_out = read
    assert set(arms) == set(ARMS)
    assert all(len(arm.held_out) == 4 and arm.spent == sorted(arm.spent) for arm in arms.values())
    assert (
        set(arms[TIED].by_steps(held_out))
        == set(arms[DRAWN].by_steps(held_out))
        == {"0", "1", "2", "3", "5", "8"}
    )
    assert set(arms[UNTIED].by_steps(held_out)) == {"0", "1", "2", "3"}
    assert arms[NONE].by_steps(held_out) == {}
    assert arms[TIED].by_steps(held_out)["3"] == arms[TIED].held_out[-1]


def test_it_says_what_it_shows_also_when_thinking_loses(read: tuple[dict[str, Arm], torch.Tensor]) -> None:
    arms, held_out = read
    for name, bpc in ((TIED, 2.5), (UNTIED, 2.6), (NONE, 2.4), (PLAIN, 2.39)):
        arms[name].held_out[:] = [bpc] * 4
    by_name = {one.name.partition(".")[2]: one for one in results(arms, held_out, 512, long=False)}
    assert not by_name["equal_bytes"].holds
    assert not by_name["equal_cpu"].holds
    assert by_name["equal_bytes"].peers[NONE] == 2.4
    assert by_name["patches"].holds  # a hundredth of a bit
    assert by_name["exits"].ours in (1.0, by_name["exits"].details["share_of_steps"])
    assert by_name["patches_cpu"].peers == {"plain bytes": arms[PLAIN].cpu_seconds}


def test_at_equal_cpu_an_arm_is_taken_as_it_was_by_then() -> None:
    arm = Arm(None, held_out=[4.0, 3.0], spent=[1.0, 4.0])  # type: ignore[arg-type]
    assert arm.at(2.0) == pytest.approx(3.5)
    assert (arm.at(0.5), arm.at(9.0)) == (4.0, 3.0)
