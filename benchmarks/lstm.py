"""The LSTM that CALM compares with: two layers of 200, Adam, learned online by truncated backpropagation.

Its state is carried from batch to batch and never reset; a batch is scored without dropout before it is learned from.
Sizes and rates are CALM's (Kruszewski, Sorodoc & Mikolov 2020), the vocabulary is bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from brain.ports import Batch

SIZE, LAYERS, DROPOUT = 200, 2, 0.2
LEARNING_RATE, CLIP = 1e-3, 1.0
SPREAD = 0.1  # of the first embeddings and output weights

State = tuple[Tensor, Tensor]


class LSTMLearner:
    """Learns every batch once.

    Args:
        lanes: that read on in parallel.
        replays: whether rows that are replayed are learned from too, each from a reset state.
    """

    def __init__(self, *, lanes: int, replays: bool, seed: int) -> None:
        torch.manual_seed(seed)
        self._replays = replays
        self._embed = nn.Embedding(256, SIZE)
        self._lstm = nn.LSTM(SIZE, SIZE, LAYERS, dropout=DROPOUT, batch_first=True)
        self._head = nn.Linear(SIZE, 256)
        nn.init.uniform_(self._embed.weight, -SPREAD, SPREAD)
        nn.init.uniform_(self._head.weight, -SPREAD, SPREAD)
        nn.init.zeros_(self._head.bias)
        self._parts = nn.ModuleList([self._embed, self._lstm, self._head])
        self._optimizer = torch.optim.Adam(self._parts.parameters(), lr=LEARNING_RATE)
        self._last = torch.zeros(lanes, 1, dtype=torch.int64)  # byte of each lane, 0 before the first
        self._state: State = (torch.zeros(LAYERS, lanes, SIZE), torch.zeros(LAYERS, lanes, SIZE))

    def learn(self, batch: Batch) -> float:
        """Bits per byte of the live rows, before they were learned from."""
        live = batch.lane >= 0
        ids = batch.bytes.long()
        scored = ids[live]
        read = torch.cat([self._last, scored[:, :-1]], dim=1)
        with torch.no_grad():
            self._parts.eval()
            logits, state = self._predict(read, self._state)
            bpc = float(functional.cross_entropy(logits.flatten(0, 1), scored.flatten())) / math.log(2)
            self._parts.train()
        logits, targets = self._predict(read, self._state)[0], scored
        if self._replays and not bool(live.all()):
            again = ids[~live]
            fresh = torch.zeros(LAYERS, len(again), SIZE)
            before = torch.cat([torch.zeros(len(again), 1, dtype=torch.int64), again[:, :-1]], dim=1)
            logits = torch.cat([logits, self._predict(before, (fresh, fresh))[0]])
            targets = torch.cat([targets, again])
        self._optimizer.zero_grad()
        functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parts.parameters(), CLIP)
        self._optimizer.step()
        self._last, self._state = scored[:, -1:], state
        return bpc

    def _predict(self, read: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (R, T, 256) of the bytes behind those read (R, T), and the state behind them."""
        drop = functional.dropout(self._embed(read), DROPOUT, training=self._parts.training)
        hidden, state = self._lstm(drop, state)
        return self._head(functional.dropout(hidden, DROPOUT, training=self._parts.training)), state
