"""A checkpoint as a folder that model hubs know: `model.safetensors`, `config.json` and a card, `README.md`.

The weights are those the run itself would answer with, in single precision, in the form of a packed file, so the
folder is asked and evaluated like one. No moments, no replay, no exact memory, and nothing of where the text came from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from brain.capabilities import Labelling
from brain.packing import Packed
from brain.stored_state import memory_off
from daemon.checkpoint.resolve import MODEL_CONFIG, MODEL_FILE
from daemon.checkpoint.ternary_file import PackedBrain, load_packed, write_packed
from daemon.errors import CheckpointError, StreamError, UsageError
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.quantising import sample_of
from daemon.trainer.offline.questions import better_weights, open_checkpoint, revive, revive_to_read

if TYPE_CHECKING:
    from pathlib import Path

    from brain.ports import Brain
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint
    from daemon.home import Home
    from daemon.trainer.measures.held_out_sample import HeldOutSample

CARD = "README.md"


def export_folder(home: Home, checkpoint: str, target: Path) -> dict[str, Any]:
    """Write the folder, load it back and score both on the same held-out sample.

    Raises:
        UsageError: it is a file of weights already, or its brain is none that generates text.
        SynapsedError: there is no such checkpoint, it is damaged, or the folder cannot be written.
    """
    loaded = open_checkpoint(home, checkpoint)
    if loaded.packed is not None:
        raise UsageError(f"{loaded.path.name} is a file of weights already; export a checkpoint")
    _, brain = revive(loaded)
    if isinstance(brain, Labelling):
        raise UsageError(
            f"the brain of {loaded.path.name} labels texts; only what generates text is exported so"
        )
    try:
        sample, why = sample_of(home, loaded), None
    except StreamError as error:  # its sources are gone, which hinders nothing but the comparison
        sample, why = None, str(error)
    with swapped(brain, better_weights(loaded)):
        before = None if sample is None else sample.bpc(brain)
        weights = {name: tensor.detach().cpu().clone() for name, tensor in brain.state().model.items()}
    settings = loaded.manifest.spec["config"]
    spec = {**loaded.manifest.spec, "config": {**settings, **memory_off(settings)}}
    packed = PackedBrain(
        packed=Packed(weights, {}), spec=spec, config=_public(loaded), manifest=loaded.manifest
    )
    try:
        target.mkdir(parents=True, exist_ok=True)
        size = write_packed(packed, target / MODEL_FILE)
        after = _read_back(target, sample)
        about = _about(loaded, spec, brain, after)
        (target / MODEL_CONFIG).write_text(
            json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        (target / CARD).write_text(_card(about, weights_bytes=size), encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"{target} could not be written ({error.strerror}). Choose a place with room"
        ) from error
    return {
        "path": str(target),
        "files": {name: (target / name).stat().st_size for name in (MODEL_FILE, MODEL_CONFIG, CARD)},
        "checkpoint": loaded.path.name,
        "step": loaded.manifest.step,
        "before_bpc": before,
        "bpc": after,
        "num_bytes": sample.num_bytes if sample is not None else 0,
        "not_measured": why,
    }


def _read_back(target: Path, sample: HeldOutSample | None) -> float | None:
    """What is in the folder now, read as anybody would, on the sample."""
    _, again = revive_to_read(load_packed(target / MODEL_FILE))
    return None if sample is None else sample.bpc(again)


def _public(loaded: LoadedCheckpoint) -> dict[str, Any]:
    """The configuration without paths and names of sources, and without the exact memory."""
    settings = dict(loaded.state.get("config", {}))
    stream = {
        name: value
        for name, value in settings.get("stream", {}).items()
        if name not in {"data", "source", "weights"}
    }
    brain = {**settings.get("brain", {}), **memory_off(loaded.manifest.spec["config"])}
    return {**settings, "stream": stream, "pretrained": None, "brain": brain}


def _about(loaded: LoadedCheckpoint, spec: dict[str, Any], brain: Brain, bpc: float | None) -> dict[str, Any]:
    return {
        "architectures": [spec["kind"]],
        "model_type": "synapsed",
        "vocab_size": 256,
        "torch_dtype": "float32",
        "num_parameters": brain.num_parameters(),
        "step": loaded.manifest.step,
        "samples": loaded.manifest.samples,
        "held_out_bpc": bpc,
        "spec": spec,
    }


def _card(about: dict[str, Any], *, weights_bytes: int) -> str:
    """What the model is, for people; only what was measured."""
    kind, bpc = about["architectures"][0], about["held_out_bpc"]
    loss = (
        "not measured" if bpc is None else f"{bpc:.4f} bits a byte on a sample of text that it did not learn"
    )
    settings = "\n".join(
        f"| `{name}` | `{json.dumps(value)}` |" for name, value in about["spec"]["config"].items()
    )
    return f"""---
library_name: synapsed
pipeline_tag: text-generation
tags:
- synapsed
- {kind}
- byte-level
---

# A {kind} brain of synapsed

A byte-level language model that learns online and continuously; these are its weights after {about["step"]:,} steps.

| | |
|---|---|
| parameters | {about["num_parameters"]:,} |
| samples read | {about["samples"]:,} |
| held-out loss | {loss} |
| weights | `{MODEL_FILE}`, {weights_bytes:,} bytes, single precision |

## Use

```bash
synapsed generate ./{MODEL_FILE} --prompt "The "
synapsed evaluate ./{MODEL_FILE} --data text.txt
```

Nothing in these files can run. The model predicts bytes of text like that which it read; it follows no
instructions, and what it writes may be wrong or offensive.

## Architecture

| setting | value |
|---|---|
{settings}
"""
