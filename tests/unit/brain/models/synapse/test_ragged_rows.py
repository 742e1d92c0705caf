"""A row that ends inside a span and continues is read as if alone: bytes before it, mixers and columns carry it all."""

from __future__ import annotations

from dataclasses import replace

import torch

from brain.blocks.linear import initialize
from brain.blocks.span import Span
from brain.codecs.codec import Symbols
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.growth_sites import newborn_sites
from brain.models.synapse.spec import SynapseSpec

CPU, WIDE = torch.device("cpu"), torch.float64


def symbols(ids: torch.Tensor, lengths: torch.Tensor) -> Symbols:
    valid = torch.arange(ids.shape[1]) < lengths[:, None]
    return Symbols(ids=ids, valid=valid, num_bytes=valid.long(), lengths=lengths)


@torch.no_grad()
def test_ragged_rows_read_as_each_by_itself() -> None:
    config = SynapseConfig(
        hidden_size=8, layers=("mingru", "attention", "ssd", "rwkv7", "kda"), num_heads=2, window=12, mlp_ratio=2,
        bigram_size=4, self_model_size=0,
    )  # fmt: skip
    spec = replace(SynapseSpec.initial(config), columns=(4,), sites=newborn_sites(config, columns=(4,)))
    network = spec.network().double()
    generator = torch.Generator().manual_seed(0)
    initialize(network, generator)
    for weight in network.parameters():
        if not weight.any():
            weight.normal_(0.0, 0.3, generator=generator)
    ids = torch.randint(0, 256, (2, 60), generator=generator, dtype=torch.uint8)
    state = network.new_state(2, device=CPU, dtype=WIDE)
    position = torch.zeros(2, dtype=torch.int64)
    found: list[list[torch.Tensor]] = [[], []]
    for width, own in ((7, [7, 2]), (1, [1, 1]), (5, [0, 5]), (20, [18, 20])):
        lengths = torch.tensor(own)
        padded = torch.full((2, width), 200, dtype=torch.uint8)
        for row, length in enumerate(own):
            padded[row, :length] = ids[row, position[row] : position[row] + length]
        fresh = not bool(position.any())
        span = Span(position=position, length=width, fresh_only=fresh, dtype=WIDE, lengths=lengths)
        done = network(symbols(padded, lengths), span, None if fresh else state)
        network.commit(state, torch.arange(2), done.update, span.end)
        position = span.end
        for row, length in enumerate(own):
            found[row].append(done.logits[row, :length])
    for row in range(2):
        together = torch.cat(found[row])
        alone = ids[row : row + 1, : len(together)]
        span = Span.beginning(1, len(together), device=CPU, dtype=WIDE)
        expected = network(symbols(alone, torch.tensor([len(together)])), span, None).logits[0]
        torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-11)
