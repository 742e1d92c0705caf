"""What is reported as bits could be sent as bits: a newborn brain decodes what another coded.

SYNAPSED_TEST_CODED_BYTES is how many bytes are coded; 65,536 take minutes, and their size is within .1 % of the bits.
Of fewer bytes the coder's last words are a larger share: two of 32 bits at most.
"""

from __future__ import annotations

import os
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import constriction  # type: ignore[import-untyped]
import pytest
import torch

from brain.blocks.loss import cap_logits
from brain.build import build_brain
from brain.memory.hippocampus.bit_paths import path_probability
from brain.memory.hippocampus.compiled import loops
from brain.memory.hippocampus.config import sizes_for
from brain.memory.hippocampus.exact_memory import Hippocampus
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from brain.online.online_brain import OnlineBrain

TEXT = Path(typing.__file__)  # English and Python, on every machine
NUM_BYTES = int(os.environ.get("SYNAPSED_TEST_CODED_BYTES", "512"))
LAST_WORDS = 64  # bits
LENGTH = 32
MIB = 20
SETTINGS = {
    "hidden_size": 16,
    "layers": ["mingru", "attention"],
    "num_heads": 2,
    "window": 32,
    "mlp_ratio": 2,
    "bigram_size": 4,
    "self_model_size": 8,
    "precision": "fp32",
    "hippocampus_mib": MIB,
}
LANE = torch.zeros(1, dtype=torch.int64)


def fresh_brain() -> OnlineBrain[Any]:
    brain: OnlineBrain[Any] = build_brain(  # type: ignore[assignment]
        "synapse",
        SETTINGS,
        optimizer=OptimizerConfig(warmup_steps=2),
        lanes=1,
        device=torch.device("cpu"),
        seed=0,
    )
    return brain


@dataclass
class Coder:
    """A brain that reads a text row by row, and a memory that follows it byte by byte."""

    brain: OnlineBrain[Any] = field(default_factory=fresh_brain)
    memory: Hippocampus = field(default_factory=lambda: Hippocampus(sizes_for(MIB, lanes=1), lanes=1))
    bits: float = 0.0  # as the brain reports them

    @torch.no_grad()
    def expected(self, row: Tensor) -> Tensor:
        """What the network expects at each place of a row (1, T), given the bytes before it: (T, 256)."""
        brain, reset = self.brain, torch.zeros(1, dtype=torch.bool)
        symbols, _ = brain.lanes.encode(row, row >= 0, LANE, reset)
        taken = brain.lanes.take(LANE, reset, symbols)
        logits = brain.network(symbols, taken.span, taken.state).logits
        return cap_logits(logits, brain.network.logit_cap).softmax(dim=-1)[0]

    def model(self, expected: Tensor) -> Any:
        """The coder's model of a byte, of both memories."""
        mixed = self.memory.expect(0, expected)
        return constriction.stream.model.Categorical(mixed.numpy(), perfect=False)

    def follow(self, byte: int, expected: Tensor) -> None:
        """The memory has seen the byte."""
        one = torch.tensor([[byte]], dtype=torch.uint8)
        network = path_probability(expected[None, None], one)
        self.memory.read(one, one >= 0, LANE, torch.zeros(1, dtype=torch.bool), network, learn=True)

    def learn(self, row: Tensor) -> None:
        """The brain has seen the row."""
        reset = torch.zeros(1, dtype=torch.bool)
        report = self.brain.learn(
            Batch(bytes=row, mask=row >= 0, lane=LANE, reset=reset, source=torch.zeros(1, dtype=torch.int64))
        )
        self.bits += report.metrics["mixed_bpc"] * row.numel()


@pytest.mark.timeout(7200)  # the long form
def test_a_newborn_brain_decodes_what_another_coded_in_the_bits_that_it_reports() -> None:
    assert loops().ready.wait(120)
    text = torch.frombuffer(bytearray(TEXT.read_bytes()[:NUM_BYTES]), dtype=torch.uint8)
    encoder, coder = constriction.stream.queue.RangeEncoder(), Coder()
    for row in torch.split(text[None], LENGTH, dim=1):
        for expected, byte in zip(coder.expected(row), row[0].tolist(), strict=True):
            encoder.encode(byte, coder.model(expected))
            coder.follow(byte, expected)
        coder.learn(row)
    coded = encoder.get_compressed()

    decoder, coder_again = constriction.stream.queue.RangeDecoder(coded), Coder()
    decoded = b""
    for row in torch.split(text[None], LENGTH, dim=1):
        known = torch.zeros_like(row)
        for place in range(row.shape[1]):
            expected = coder_again.expected(known)[place]  # of the places behind it nothing is known
            known[0, place] = decoder.decode(coder_again.model(expected))
            coder_again.follow(int(known[0, place]), expected)
        coder_again.learn(known)
        decoded += bytes(known[0].tolist())
    assert decoded == bytes(text.tolist())
    assert coder_again.bits == coder.bits
    more = coded.nbytes * 8 - coder.bits
    assert (
        -1.0 < more <= max(LAST_WORDS, 1e-3 * coder.bits)
    )  # never fewer: all bits that were reported are needed
