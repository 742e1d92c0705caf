"""Growth of an `OnlineMLP`: new hidden units, without a change of its outputs or of what it has learned."""

from __future__ import annotations

from dataclasses import replace

import torch

from brain.models.classifier.online_mlp import COPIES, OnlineMLP


@torch.no_grad()
def widened(net: OnlineMLP, layer: int, units: int, *, seed: int) -> OnlineMLP:
    """The net with `units` more in hidden layer `layer`, in all networks side by side.

    New units have fresh incoming weights and outgoing weights of zero; their moments, ages and utilities are zero,
    and so is what corrects the bias of their moments, so that they begin at step 0. The others keep every bit.

    Args:
        net: what grows; it is left as it is.
        layer: index of a hidden layer, from 0.
        units: how many are added.
        seed: of what is drawn for them.

    Raises:
        ValueError: there is no such layer, no unit would be added, or the net does not count steps by weight.
    """
    sizes = list(net.config.sizes)
    if not 0 <= layer < len(sizes) - 2:
        raise ValueError(f"there is no hidden layer {layer}; the sizes are {sizes}")
    if units < 1:
        raise ValueError(f"units = {units}: at least 1 must be added")
    if net.config.plasticity.replacement_rate == 0:
        raise ValueError(
            "only a net with plasticity.replacement_rate > 0 counts the steps of its weights one by one"
        )
    before = sizes[layer + 1]
    sizes[layer + 1] += units
    grown = OnlineMLP(replace(net.config, sizes=tuple(sizes)), population=net.population, seed=seed)
    grown.rate = net.rate
    grown.weights[layer + 1][..., before:] = 0.0
    if grown.start is not None:
        grown.start.copy_(grown.flat)
    kept = net.named(net.flat) | net.learning_tensors()
    for name, own in (grown.named(grown.flat) | grown.learning_tensors()).items():
        old = kept[name]
        if name.rpartition("|")[2] not in COPIES:
            own[tuple(slice(size) for size in old.shape)] = old
    grown.take_generators(
        {
            name: kept[name] if name.rpartition("|")[2] in COPIES else tensor
            for name, tensor in grown.learning_tensors().items()
        },
        num_steps=net.num_steps,
    )
    return grown
