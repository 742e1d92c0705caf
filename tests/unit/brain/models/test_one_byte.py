"""Reading byte by byte with compiled loops is reading at once: logits, states and what is carried on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.blocks import byte_step
from brain.blocks.byte_step import ByteLoops
from brain.blocks.loops import byte_loops
from brain.models.mingru.config import MinGRUConfig
from brain.models.mingru.mingru_brain import MinGRULanguageModel
from brain.models.tars.config import TarsConfig
from brain.models.tars.tars_brain import Tars
from brain.online.reading import Reader
from brain.online.ternary_once import hold
from brain.optim.config import OptimizerConfig

if TYPE_CHECKING:
    from brain.online.online_brain import OnlineBrain

pytest.importorskip("numba")
TEXT = torch.frombuffer(bytearray("Ой, the quick brown fox".encode()), dtype=torch.uint8)[None]


SMALL: dict[str, tuple[Any, Any]] = {
    "tars": (Tars, TarsConfig(hidden_size=16, num_layers=2, pool_steps=2, precision="fp32")),
    "mingru": (MinGRULanguageModel, MinGRUConfig(hidden_size=12, num_layers=2, precision="fp32")),
}


def drawn(kind: Any, config: Any) -> OnlineBrain[Any]:
    """A brain all of whose weights say something."""
    brain = kind.build(config, optimizer=OptimizerConfig(), lanes=1, device=torch.device("cpu"), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in brain.network.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator) / weight.shape[-1] ** 0.5)
    return brain  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=["tars", "mingru"])
def brain(request: pytest.FixtureRequest) -> OnlineBrain[Any]:
    return drawn(*SMALL[request.param])


def test_loops_read_byte_by_byte_what_a_span_reads(
    brain: OnlineBrain[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    serves = byte_step.serves

    def counted(*arguments: Any) -> Any:
        taken.append(serves(*arguments) is not None)
        return serves(*arguments)

    for module in ("brain.models.tars.network.serves", "brain.models.synapse.network.serves"):
        monkeypatch.setattr(module, counted)
    whole, stepwise = brain.reader(1), brain.reader(1)
    expected = whole.read(TEXT)
    stepwise.read(TEXT[:, :3])
    for place in range(3, TEXT.shape[1]):
        assert (stepwise.predict() - expected[:, place]).abs().max() <= 2e-5
        stepwise.accept(TEXT[:, place])
    assert taken == [True] * (TEXT.shape[1] - 3)
    for part, own in whole.state.items():
        for name, value in own.items():
            assert torch.allclose(stepwise.state[part][name], value, atol=1e-5), (part, name)


def test_loops_take_the_weights_as_they_are_now(brain: OnlineBrain[Any]) -> None:
    reader = brain.reader(1)
    reader.read(TEXT[:, :5])
    before = reader.fork(torch.zeros(1, dtype=torch.int64)).predict()
    with torch.no_grad():
        for weight in brain.network.parameters():
            weight.mul_(1.01)
    after = reader.fork(torch.zeros(1, dtype=torch.int64)).predict()
    with torch.no_grad():
        for weight in brain.network.parameters():
            weight.data = weight.data / 1.01
    again = reader.fork(torch.zeros(1, dtype=torch.int64)).predict()
    assert not torch.allclose(before, after, atol=1e-6)
    assert torch.allclose(before, again, atol=2e-5)


@pytest.mark.parametrize("kind", list(SMALL))
def test_loops_read_ternary_matrices_that_are_held(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, where no level is rounded otherwise for a last bit; the loops are not compiled for it."""
    taken = []

    def written(*_: Any) -> ByteLoops:
        taken.append(1)
        return ByteLoops(*(getattr(byte_loops, name) for name in ByteLoops._fields))

    for module in ("brain.models.tars.network.serves", "brain.models.synapse.network.serves"):
        monkeypatch.setattr(module, written)
    made, config = SMALL[kind]
    brain = drawn(made, dataclasses.replace(config, ternary=True))
    network = brain.network.double()
    whole, stepwise = (
        Reader(network, brain.learner.codec, 1, device=torch.device("cpu"), dtype=torch.float64) for _ in "12"
    )
    expected = whole.read(TEXT[:, :7])
    stepwise.read(TEXT[:, :3])
    hold(network, torch.float64)
    for place in range(3, 7):
        assert (stepwise.predict() - expected[:, place]).abs().max() <= 1e-9
        stepwise.accept(TEXT[:, place])
    assert len(taken) == 4
    for matrix in network.ternary_matrices().values():
        matrix.held = None
    stepwise.predict()
    assert len(taken) == 4  # what may change any time is no matter for the loops


def test_a_ternary_brain_holds_its_matrices_while_it_generates() -> None:
    kind, config = SMALL["mingru"]
    brain = drawn(kind, dataclasses.replace(config, ternary=True, self_model_size=0))
    matrices = list(brain.network.ternary_matrices().values())
    pieces = brain.generate(
        b"a", max_bytes=2, temperature=0.0, top_p=1.0, generator=torch.Generator().manual_seed(0)
    )
    next(pieces)
    assert all(matrix.held is not None for matrix in matrices)
    del pieces
    assert all(matrix.held is None for matrix in matrices)
