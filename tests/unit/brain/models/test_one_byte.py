"""Reading byte by byte with compiled loops is reading at once: logits, states and what is carried on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.blocks import byte_step
from brain.models.mingru.config import MinGRUConfig
from brain.models.mingru.language_model import MinGRULanguageModel
from brain.models.tars.config import TarsConfig
from brain.models.tars.fused_brain import Tars
from brain.optim.config import OptimizerConfig

if TYPE_CHECKING:
    from brain.online.brain import OnlineBrain

pytest.importorskip("numba")
TEXT = torch.frombuffer(bytearray("Ой, the quick brown fox".encode()), dtype=torch.uint8)[None]


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
    if request.param == "mingru":
        return drawn(MinGRULanguageModel, MinGRUConfig(hidden_size=12, num_layers=2, precision="fp32"))
    return drawn(Tars, TarsConfig(hidden_size=16, num_layers=2, pool_steps=2, precision="fp32"))


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
