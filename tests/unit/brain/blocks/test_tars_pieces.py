"""What a TARS block is made of beside its mixers: rotation, low-rank experts, refinement; and the fusion's formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.adapters import LowRankExperts, Routing
from brain.blocks.cayley import CayleyRotation
from brain.blocks.fusion import FusedRecurrence
from brain.blocks.linear import initialize
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.blocks.refinement import LEAST, RefinementPool, RefinementStep
from brain.blocks.self_model import predict_states
from brain.blocks.span import Span
from tests.contract.probes.causality import sequence_leak

WIDE = torch.float64
SIZE = 6


def drawn(module: nn.Module, *, spread: float = 0.7) -> nn.Module:
    """The module in float64, with no weight at zero."""
    initialize(module.double(), torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    for weight in module.parameters():
        if not weight.any():
            weight.data.normal_(0.0, spread, generator=generator)
    return module


def draw(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


def gradients_are_exact(module: nn.Module, apply: object, x: Tensor) -> bool:
    assert callable(apply)
    return torch.autograd.gradcheck(lambda x, *_: apply(x), (x.requires_grad_(), *module.parameters()))


# Rotation.


def test_a_rotation_is_orthogonal_whatever_it_has_learned_and_leaves_other_channels() -> None:
    turn = drawn(CayleyRotation(SIZE, channels=4), spread=5.0)
    assert isinstance(turn, CayleyRotation)
    matrix = turn.rotation()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(4, dtype=WIDE))
    assert float(torch.linalg.det(matrix).detach()) == pytest.approx(1.0)
    x = draw(2, 5, SIZE)
    y = turn(x)
    assert torch.equal(y[..., 4:], x[..., 4:])
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))
    assert not torch.allclose(y[..., :4], x[..., :4])


def test_a_rotation_is_cayleys_and_begins_as_the_identity() -> None:
    turn = CayleyRotation(SIZE, channels=3)
    initialize(turn, torch.Generator())
    x = draw(2, SIZE).float()
    assert torch.equal(turn(x), x)
    turn.skew.data[:] = torch.tensor([0.5, -1.0, 2.0])
    skew = torch.tensor([[0.0, -0.5, 1.0], [0.5, 0.0, -2.0], [-1.0, 2.0, 0.0]])
    expected = (torch.eye(3) - skew) @ torch.linalg.inv(torch.eye(3) + skew)
    torch.testing.assert_close(turn.rotation(), expected)


def test_a_rotation_has_exact_gradients_from_the_start() -> None:
    turn = CayleyRotation(SIZE, channels=4).double()
    initialize(turn, torch.Generator())
    assert gradients_are_exact(turn, turn, draw(3, SIZE))
    turn(draw(3, SIZE)).square().mul(draw(3, SIZE, seed=3)).sum().backward()
    assert turn.skew.grad is not None
    assert bool(turn.skew.grad.all())


# Experts.


def experts(**options: int) -> LowRankExperts:
    made = drawn(LowRankExperts(SIZE, **({"num_experts": 4, "rank": 2, "active": 2} | options)))
    assert isinstance(made, LowRankExperts)
    return made


def test_experts_are_the_best_two_adapters_of_each_position() -> None:
    mixture, x = experts(), draw(2, 5, SIZE)
    y, routing = mixture(x)
    down = mixture.down.weight.view(4, 2, SIZE)
    up = mixture.up.weight.view(SIZE, 4, 2)
    for row in range(2):
        for place in range(5):
            probability = torch.softmax(mixture.router.weight @ x[row, place], dim=0)
            best = probability.argsort(descending=True)[:2]
            assert set(routing.chosen[row, place].nonzero().flatten().tolist()) == set(best.tolist())
            expected = sum(
                probability[e] / probability[best].sum() * (up[:, e] @ (down[e] @ x[row, place]))
                for e in best
            )
            torch.testing.assert_close(y[row, place], expected)


def test_experts_see_their_own_position_alone_and_have_exact_gradients() -> None:
    mixture = experts()
    for place in (1, 4):
        assert sequence_leak(lambda x: mixture(x)[0], draw(2, 7, SIZE), place) == 0.0
    assert gradients_are_exact(mixture, lambda x: mixture(x)[0], draw(1, 4, SIZE))
    assert gradients_are_exact(
        mixture.router,
        lambda x: mixture.route(x)[1].imbalance(torch.ones(1, 4, dtype=torch.bool)),
        draw(1, 4, SIZE),
    )


def test_the_balance_loss_is_one_at_equal_shares_and_grows_with_favour() -> None:
    even = torch.full((1, 4, 2), 0.5)
    chosen = torch.tensor([[[True, False], [False, True], [True, False], [False, True]]])
    read = torch.ones(1, 4, dtype=torch.bool)
    assert Routing(even, chosen).imbalance(read) == pytest.approx(1.0)
    favour = torch.tensor([0.9, 0.1]).expand(1, 4, 2)
    always = torch.tensor([True, False]).expand(1, 4, 2)
    assert Routing(favour, always).imbalance(read) == pytest.approx(1.8)
    # What is not read counts for nothing.
    half = torch.tensor([[True, True, False, False]])
    changed = even.clone()
    changed[:, 2:] = torch.tensor([0.0, 1.0])
    assert Routing(changed, chosen).imbalance(half) == pytest.approx(1.0)
    assert Routing(even, chosen).imbalance(torch.zeros(1, 4, dtype=torch.bool)) == 0.0


def test_more_active_experts_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="5 of 4 experts cannot be active; choose at most 4"):
        LowRankExperts(SIZE, num_experts=4, active=5)


# Refinement.


def pool(steps: int = 3) -> RefinementPool:
    made = drawn(RefinementPool(RefinementStep(SIZE, hidden=5) for _ in range(steps)))
    assert isinstance(made, RefinementPool)
    return made


def steps_of(refinement: RefinementPool) -> list[RefinementStep]:
    return [step for step in refinement if isinstance(step, RefinementStep)]


@torch.no_grad()
def test_refinement_multiplies_its_gates_and_stops_where_little_is_left() -> None:
    refinement, x = pool(), draw(2, 9, SIZE)
    y, taken = refinement(x, WIDE)
    stopped = 0
    for row in range(2):
        for place in range(9):
            z, going, total = x[row, place], 1.0, 0.0
            for step in steps_of(refinement):
                normed = rms_norm(z)
                going *= float(torch.sigmoid(step.gate.weight @ normed))
                if going < LEAST:
                    stopped += 1
                    break
                z = z + going * MLP.forward(step, normed)
                total += going
            torch.testing.assert_close(y[row, place], z - x[row, place])
            assert float(taken[row, place]) == pytest.approx(total)
    assert 0 < stopped < 18


def test_refinement_looks_at_no_other_position_and_has_exact_gradients() -> None:
    refinement = pool()
    for place in (1, 5):
        assert sequence_leak(lambda x: refinement(x, WIDE)[0], draw(2, 7, SIZE), place) == 0.0
    x = draw(1, 3, SIZE, seed=5)
    assert gradients_are_exact(refinement, lambda x: refinement(x, WIDE)[0], x)


def test_a_pool_that_nobody_goes_on_with_is_not_computed_when_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refinement, x = pool(), draw(1, 2, SIZE)
    first = steps_of(refinement)[0]
    first.gate.weight.data[:] = -10.0 * rms_norm(x)[0].mean(dim=0)
    called: list[MLP] = []

    def noted(step: MLP, x: Tensor) -> Tensor:
        called.append(step)
        return x

    monkeypatch.setattr(MLP, "forward", noted)
    with torch.no_grad():
        y, taken = refinement(rms_norm(x).mean(dim=1, keepdim=True), WIDE)
    assert called == []
    assert not y.any()
    assert not taken.any()
    refinement(rms_norm(x).mean(dim=1, keepdim=True), WIDE)
    assert len(called) == 3  # while it learns every step has its gradient's place


# Fusion and self model.


@pytest.mark.parametrize("values_mixed", [False, True])
def test_the_fusion_is_its_formula(values_mixed: bool) -> None:
    core = drawn(FusedRecurrence(SIZE, head_size=3, state_size=4, values_mixed=values_mixed))
    assert isinstance(core, FusedRecurrence)
    x = draw(2, 11, SIZE)
    span = Span.beginning(2, 11, device=x.device, dtype=WIDE)
    first_value = draw(2, 11, 2, 3, seed=7) if values_mixed else None
    y, _, value = core.mix(x, span, None, first_value=first_value)
    u, z, _ = core.ssd.recall(x, span, None)
    v, _, own = core.wkv.mix(x, span, None, first_value=first_value)
    g = torch.sigmoid(core.fuse_up(functional.gelu(core.fuse_down(torch.cat([u, v], dim=-1)))))
    expected = core.ssd.out(rms_norm((g * u + (1 - g) * v) * functional.silu(z)))
    torch.testing.assert_close(y, expected)
    assert torch.equal(value, own)
    assert v.shape == u.shape == (2, 11, 2 * SIZE)


def test_values_of_the_first_block_reach_those_above_and_nothing_to_come_does() -> None:
    core = drawn(FusedRecurrence(SIZE, head_size=3, state_size=4, values_mixed=True))
    assert isinstance(core, FusedRecurrence)
    x, value = draw(2, 11, SIZE), draw(2, 11, 2, 3, seed=7)

    def apply(first: Tensor) -> Tensor:
        y: Tensor = core.mix(x, Span.beginning(2, 11, device=x.device, dtype=WIDE), None, first_value=first)[
            0
        ]
        return y

    assert sequence_leak(apply, value, 5) == 0.0
    assert not torch.allclose(apply(value), apply(-value))


def test_a_self_model_is_scored_where_both_states_were_read_and_moves_none() -> None:
    model = drawn(MLP(SIZE, hidden=4))
    assert isinstance(model, MLP)
    states = draw(1, 4, SIZE).requires_grad_()
    read = torch.tensor([[True, True, True, False]])
    loss, predicted = predict_states(model, states, read, WIDE)
    torch.testing.assert_close(loss, (model(states[:, :2]) - states[:, 1:3]).square().mean())
    assert predicted.shape == (1, 3, SIZE)
    loss.backward()  # type: ignore[no-untyped-call]
    assert states.grad is None
    assert bool(model.out.weight.grad.any())  # type: ignore[union-attr]
