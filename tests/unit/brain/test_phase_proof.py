"""A phase is proven by its weights and moments alone, and everything that breaks it is named."""

from __future__ import annotations

import torch

from brain.phase_proof import digests_of, prove


def weights() -> dict[str, torch.Tensor]:
    return {"kept": torch.tensor([1.0, 2.0]), "learned": torch.tensor([3.0])}


def moments(value: float = 0.5) -> dict[str, torch.Tensor]:
    return {"learned|step": torch.tensor(4.0), "learned|exp_avg": torch.tensor([value])}


def test_a_phase_holds_when_what_is_frozen_stayed_and_the_rest_moved_by_a_gradient() -> None:
    proof = prove(2, digests_of(weights()), weights() | {"learned": torch.tensor([3.1])}, moments(), {"kept"})
    assert proof.holds
    assert (proof.phase, proof.num_frozen, proof.num_trained) == (2, 1, 1)


def test_one_bit_of_a_frozen_weight_breaks_it() -> None:
    start = digests_of(weights())
    after = {"kept": torch.tensor([1.0, 2.0000002]), "learned": torch.tensor([3.1])}
    proof = prove(2, start, after, moments(), {"kept"})
    assert (proof.holds, proof.moved) == (False, ("kept",))
    assert prove(2, digests_of({"w": torch.tensor([0.0])}), {"w": torch.tensor([-0.0])}, {}, {"w"}).moved == (
        "w",
    )


def test_what_did_not_move_or_had_no_gradient_breaks_it() -> None:
    start = digests_of(weights())
    proof = prove(2, start, weights(), moments(), {"kept"})
    assert (proof.holds, proof.unmoved, proof.without_gradient) == (False, ("learned",), ())
    pulled = weights() | {"learned": torch.tensor([3.1])}  # moved, as by a decay, but nothing was learned
    proof = prove(2, start, pulled, moments(0.0), {"kept"})
    assert (proof.holds, proof.unmoved, proof.without_gradient) == (False, (), ("learned",))


def test_what_was_born_since_has_nothing_to_be_compared_with() -> None:
    after = weights() | {"learned": torch.tensor([3.1]), "born": torch.tensor([1.0])}
    assert (
        prove(1, digests_of(weights()), after, moments() | {"kept|exp_avg": torch.ones(2)}, set()).num_trained
        == 2
    )
