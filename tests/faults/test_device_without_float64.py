"""`auto` picks a device that knows no float64, as MPS on a Mac does."""

from __future__ import annotations

import pytest
import torch

from brain import devices
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from daemon.trainer.assembly import choose_device
from tests.faults.tiny_brain import LANES, text
from tests.limited_device import DEVICE, RefusedError, limited_device


@pytest.mark.fault(
    "A device that can do less",
    tried="a brain is built, learns, sleeps, scores, generates and is measured where float64 is refused",
    happens="it never asks for one there; what needs float64 is worked out on the CPU",
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_brain_lives_where_float64_is_refused(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    monkeypatch.setattr(devices, "_WITHOUT_FLOAT64", frozenset({DEVICE.type}))
    config = SynapseConfig(
        hidden_size=8, layers=("mingru", "attention", "ssd"), num_heads=2, window=16, bigram_size=2,
        self_model_size=4, precision="bf16" if precision == "bf16" else "fp32",
    )  # fmt: skip
    with limited_device():
        with pytest.raises(RefusedError, match="float64"):
            torch.ones(2, device=DEVICE).double()
        brain = Synapse.build(config, optimizer=OptimizerConfig(), lanes=LANES, device=DEVICE, seed=0)
        assert brain.learn(text(0)).applied
        assert brain.dream(text(1), rate_factor=0.5).applied
        assert brain.score(text(2).bytes, text(2).mask).dtype == torch.float64
        generator = torch.Generator().manual_seed(0)
        assert (
            len([*brain.generate(b"ab", max_bytes=2, temperature=1.0, top_p=0.9, generator=generator)]) == 2
        )
        assert brain.observe(text(3).bytes).keys() == set(brain.module_names)
        assert brain.probe_sites(text(4), generator).keys() == brain.sites().keys()


@pytest.mark.fault(
    "A device that can do less",
    tried="device = auto on a machine with MPS",
    happens="MPS is taken, and known to have no float64",
)
def test_auto_takes_mps_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device = choose_device("auto")
    assert device.type == "mps"
    assert not devices.has_float64(device)
