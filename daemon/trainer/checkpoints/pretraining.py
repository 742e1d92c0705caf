"""A new run whose brain begins with the weights of a checkpoint; all else of that one stays behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.build import begun_with
from brain.errors import SettingsError, SpecMismatchError
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.portable import load_pt
from daemon.checkpoint.resolve import PORTABLE, resolve
from daemon.errors import ConfigError
from daemon.trainer.checkpoints.restoring import brain_state
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    import torch

    from brain.ports import Brain
    from daemon.config.tree import RunConfig
    from daemon.home import Home


def pretrained_brain(config: RunConfig, home: Home, device: torch.device) -> Brain:
    """The brain of the config, with the weights of the checkpoint `config.pretrained`.

    Raises:
        SynapsedError: there is no such checkpoint, it is damaged, or it holds another brain; in one line.
    """
    assert config.pretrained is not None
    path = resolve(Catalogue(home.checkpoints), config.pretrained)
    loaded = load_pt(path) if path.suffix == PORTABLE else load(path)
    lanes = num_lanes(config.stream.rows, config.replay.fraction)
    try:
        return begun_with(
            config.brain, brain_state(loaded), optimizer=config.optimizer, lanes=lanes, device=device
        )
    except (SettingsError, SpecMismatchError) as error:
        raise ConfigError(f"{path.name}: {error}; name another with --pretrained") from error
