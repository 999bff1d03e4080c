"""One layer for every BatchNorm of a network, whatever its place: shared, nested, or the network itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ossicle.errors import ConfigError
from ossicle_unmix_tns.norm import AdaptiveNorm


def copied(model: Any) -> nn.Module:
    """Return a deep copy of a network, whose tensors can be changed in place later.

    Raises
    ------
    ConfigError
        If it is no torch module, or cannot be copied.
    """
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise ConfigError(
            f"{type(model).__name__} cannot be adapted",
            why="an adapter changes the layers of a torch.nn.Module",
            hint="give the network itself, before scripting or exporting",
        )
    if any(isinstance(p, nn.UninitializedParameter) for p in model.parameters()):
        raise ConfigError(
            f"{type(model).__name__} has layers without a size yet",
            why="lazy layers learn it from their first input",
            hint="call the network once before it is adapted",
        )
    try:
        with torch.inference_mode(False):
            return copy.deepcopy(model)
    except Exception as error:
        raise ConfigError(
            f"{type(model).__name__} cannot be copied",
            why=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            hint="an adapter works on a copy; let the network hold nothing that copy.deepcopy refuses",
        ) from error


def replace(model: nn.Module, kind: type[nn.Module], make: Callable[[Any], nn.Module]) -> nn.Module:
    """Put ``make(module)`` in the place of every module of a kind, in place, and return the network.

    Modules come in the order of ``named_modules``; one that sits in several places is made once. A network that is itself of the kind
    is replaced as a whole.
    """
    made: dict[int, nn.Module] = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if not isinstance(module, kind):
            continue
        if id(module) not in made:
            try:
                made[id(module)] = make(module)
            except ConfigError as error:
                raise ConfigError(f"{path or 'the network'}: {error.what}", why=error.why, hint=error.hint) from error
        if not path:
            return made[id(module)]
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, made[id(module)])
    return model


def convert(model: nn.Module, make: Callable[[_BatchNorm], AdaptiveNorm], *, required: bool = True) -> nn.Module:
    """Put a layer in the place of every BatchNorm, in place, and return the network.

    Raises
    ------
    ConfigError
        If there is none but one is required, or one cannot be replaced.
    """
    if required and not any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise ConfigError(
            f"{type(model).__name__} has no BatchNorm",
            why="this adapter works in the place of BatchNorm layers",
            hint="a network with group or layer normalisation can use lame",
        )
    return replace(model, _BatchNorm, make)


def layers(model: nn.Module) -> Iterator[AdaptiveNorm]:
    """Yield a network's adaptive layers, each once."""
    return (module for module in model.modules() if isinstance(module, AdaptiveNorm))


def plain(model: nn.Module) -> nn.Module:
    """Put the BatchNorms back in place of adaptive layers, in place, and return the network."""
    return replace(model, AdaptiveNorm, lambda layer: layer.to_batch_norm())
