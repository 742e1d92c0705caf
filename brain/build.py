"""Build a brain by name, from settings or from the architecture spec of a stored one."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from brain.errors import SettingsError, SpecMismatchError
from brain.nearest_name import did_you_mean, nearest_name
from brain.registry import Entry, brains

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.optim.config import OptimizerConfig
    from brain.ports import Brain, BrainState


def build_brain(
    kind: str,
    settings: Mapping[str, Any],
    *,
    optimizer: OptimizerConfig,
    lanes: int,
    device: torch.device,
    seed: int,
) -> Brain:
    """A newborn brain of the registered `kind`.

    Args:
        kind: a name of `brain.registry.brains`.
        settings: that kind's own settings; an unknown key is an error.
        optimizer: how it learns.
        lanes: how many streams it carries a state for.
        device: where its tensors live.
        seed: of its first weights.

    Raises:
        UnknownNameError: when no brain is called `kind`.
        SettingsError: when a setting is unknown or out of range.
    """
    entry = brains.get(kind)
    config = parse_settings(entry, settings)
    return cast(
        "Brain", entry.load().build(config, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
    )


def fresh_brain(
    settings: Mapping[str, Any], *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
) -> Brain:
    """As `build_brain`, of settings with the `kind` among them, as the config of a run holds them.

    Raises:
        UnknownNameError: when no brain is called so.
        SettingsError: when a setting is unknown or out of range.
    """
    rest = {name: value for name, value in settings.items() if name != "kind"}
    return build_brain(settings["kind"], rest, optimizer=optimizer, lanes=lanes, device=device, seed=seed)


def begun_with(
    settings: Mapping[str, Any],
    stored: BrainState,
    *,
    optimizer: OptimizerConfig,
    lanes: int,
    device: torch.device,
) -> Brain:
    """A new brain that begins with the weights of a stored one; `settings` as for `fresh_brain`.

    Raises:
        SettingsError: the stored one is of another kind, or its kind learns from the beginning only.
        SpecMismatchError: what is stored does not fit together.
    """
    from brain.online.beginning import begun_with as begin  # noqa: PLC0415 - these load torch
    from brain.online.online_brain import OnlineBrain  # noqa: PLC0415

    entry = brains.get(settings["kind"])
    if stored.spec.get("kind") != entry.name:
        raise SettingsError(f"it holds a brain of kind {stored.spec.get('kind')}, not {entry.name}")
    built = entry.load()
    if not issubclass(built, OnlineBrain):
        raise SettingsError(f"a brain of kind {entry.name} cannot begin with the weights of another")
    config = parse_settings(entry, {name: value for name, value in settings.items() if name != "kind"})
    return cast("Brain", begin(built, config, stored, optimizer=optimizer, lanes=lanes, device=device))


def brain_from_spec(
    spec: Mapping[str, Any], *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
) -> Brain:
    """A brain of the architecture in `BrainState.spec`, growth included, with first weights of `seed`.

    A stored spec is brought up to date (`brain.upgrades`) before it comes here.

    Raises:
        UnknownNameError: when the spec's kind is not registered.
        SpecMismatchError: when the spec cannot be read, or has a setting that this kind of brain does not know.
    """
    if not isinstance(spec.get("kind"), str):
        raise SpecMismatchError(
            "the architecture spec names no kind of brain; the checkpoint's manifest is damaged"
        )
    entry = brains.get(spec["kind"])
    _check_known(entry, spec.get("config", {}))
    return cast(
        "Brain", entry.load().from_spec(spec, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
    )


def can_be_ternary(kind: str) -> bool:
    """Whether a kind of brain has the option to learn with ternary matrices.

    >>> can_be_ternary("synapse"), can_be_ternary("mingru"), can_be_ternary("classifier")
    (True, True, False)
    """
    return any(field.name == "ternary" for field in dataclasses.fields(brains.get(kind).config))


def _check_known(entry: Entry, config: Any) -> None:
    """Refuse a stored config with a key that its class has not, before the class does it without a name.

    Raises:
        SpecMismatchError: names the key and the nearest that is known.
    """
    pending = [("config", config, entry.config)]
    while pending:
        where, settings, of = pending.pop()
        if not isinstance(settings, dict):
            continue
        hints = typing.get_type_hints(of)
        for name, value in settings.items():
            if name not in hints:
                near = nearest_name(str(name), hints)
                hint = "" if near is None else f"; did it become {near}?"
                raise SpecMismatchError(
                    f"the stored architecture of a {entry.name} brain has {where}.{name}, which this synapsed "
                    f"does not know{hint}"
                )
            if dataclasses.is_dataclass(hint := hints[name]) and isinstance(hint, type):
                pending.append((f"{where}.{name}", value, hint))


def parse_settings(entry: Entry, settings: Mapping[str, Any]) -> Any:
    """The config of a registered brain from plain values, each checked.

    Raises:
        SettingsError: naming the setting and, for an unknown one, the nearest that exists.
    """
    known = [f.name for f in dataclasses.fields(entry.config)]
    for name in settings:
        if name not in known:
            hint = did_you_mean(
                str(name), known, otherwise=f"known: {', '.join(known)}", shown="brain.{}".format
            )
            raise SettingsError(f"brain.{name} is not a setting of brain {entry.name!r}{hint}")
    try:
        return TypeAdapter(entry.config).validate_python(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"brain.{where} = {first['input']!r}: {first['msg']}") from None
