"""Public checkpoint layouts to one: plain ``.weight`` and ``.bias`` under the generator's own names.

Taken: weight norm as ``weight_g``/``weight_v`` or as parametrizations, folded weights, wrappers such as
``{"generator": ...}``, prefixes such as ``module.``, and safetensors. No code in a file is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.errors import CheckpointError
from ossicle.training.checkpoint import read_weights

_WRAPPERS = ("generator", "model_g", "state_dict", "model", "ema", "params", "net_g")
_PREFIXES = ("module.", "generator.", "model_g.", "model.", "dec.", "net_g.", "vocoder.")
_PAIRS = ((".weight_g", ".weight_v"), (".parametrizations.weight.original0", ".parametrizations.weight.original1"))
_SHOWN = 4


def load_state(path: Path) -> dict[str, Tensor]:
    """Return a checkpoint's generator as plain float32 tensors on the CPU, weight norm folded.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, would need code to be run, or holds no generator.
    """
    state = unwrap(read_weights(path), path.name)
    folded = fold(state)
    broken = [name for name, value in folded.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"{path.name} holds weights that are not numbers",
            why=f"NaN or infinite values in {_some(broken)}",
            hint="its training diverged; take an earlier checkpoint",
        )
    return folded


def unwrap(found: Any, name: str) -> dict[str, Tensor]:
    """Return the generator's tensors from whatever wraps or prefixes them."""
    for _ in range(4):
        if not isinstance(found, dict):
            break
        if "mpd" in found and "msd" in found:
            raise CheckpointError(
                f"{name} holds discriminators and optimizers",
                why="it is the training half of a checkpoint (do_...)",
                hint="take the generator's file beside it, g_... of the same step",
            )
        tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
        generator = _strip(tensors)
        if generator is not None:
            return generator
        inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), dict)), None)
        if inner is None:
            raise _no_generator(name, list(found))
        found = inner
    raise _no_generator(name, [])


def _strip(tensors: dict[str, Tensor]) -> dict[str, Tensor] | None:
    prefix = ""
    for _ in range(4):
        if any(key.startswith(prefix + "conv_pre.") for key in tensors):
            return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        longer = next((p for p in _PREFIXES if any(key.startswith(prefix + p) for key in tensors)), None)
        if longer is None:
            return None
        prefix += longer
    return None


def _no_generator(name: str, keys: list[Any]) -> CheckpointError:
    text = [str(key) for key in keys]
    why = f"its keys are {_some(text)}" if text else "it holds no tensors by name"
    if any(key.startswith(("backbone.", "feature_extractor.")) for key in text):
        why += ": it looks like a Vocos model"
    return CheckpointError(
        f"{name} holds no HiFi-GAN or iSTFTNet generator",
        why=why,
        hint="a generator has keys conv_pre, ups, resblocks, conv_post",
    )


def fold(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return plain weights: every pair of length g and direction v becomes g v / ||v||, computed in float64.

    The norm runs over all axes but the first (Salimans and Kingma, 2016), also where that is the input channel.
    """
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith(tuple(v for _, v in _PAIRS)):
            continue
        for length, direction in _PAIRS:
            if key.endswith(length):
                base = key.removesuffix(length)
                v = state.get(base + direction)
                if v is None:
                    raise CheckpointError(f"{key} has no {base + direction} beside it", why="weight norm needs both")
                wide = v.double()
                norm = torch.linalg.vector_norm(wide, dim=tuple(range(1, wide.dim())), keepdim=True)
                plain[base + ".weight"] = (value.double().reshape(norm.shape) * wide / norm).float()
                break
        else:
            plain[key] = value.float() if value.is_floating_point() else value
    return plain


def fit(state: dict[str, Tensor], module: nn.Module, *, name: str) -> None:
    """Load a state into a module, or say which keys and shapes differ.

    Raises
    ------
    CheckpointError
        With missing, unexpected and misshapen keys, and a guess at the setting that is wrong.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    misshapen = sorted(key for key in wanted.keys() & state.keys() if wanted[key].shape != state[key].shape)
    if not (missing or unexpected or misshapen):
        module.load_state_dict(state)
        return
    parts = []
    if misshapen:
        shown = [f"{key} is {tuple(state[key].shape)}, not {tuple(wanted[key].shape)}" for key in misshapen]
        parts.append(f"shapes differ: {_some(shown)}")
    if missing:
        parts.append(f"missing: {_some(missing)}")
    if unexpected:
        parts.append(f"unexpected: {_some(unexpected)}")
    raise CheckpointError(
        f"{name} does not fit the configuration", why="; ".join(parts), hint=_guess(missing, unexpected, misshapen)
    )


def _guess(missing: list[str], unexpected: list[str], misshapen: list[str]) -> str:
    if any(".act" in key or "activations." in key for key in unexpected):
        return "this looks like a BigVGAN checkpoint, whose activations this generator does not have"
    if any(".convs." in key for key in unexpected) and any(".convs1." in key for key in missing):
        return "the checkpoint has residual blocks of type 2: set resblock to '2'"
    if any(".convs1." in key for key in unexpected) and any(".convs." in key for key in missing):
        return "the checkpoint has residual blocks of type 1: set resblock to '1'"
    settings = {
        "conv_pre": "num_mels or upsample_initial_channel",
        "ups": "upsample_rates, upsample_kernel_sizes or upsample_initial_channel",
        "resblocks": "resblock_kernel_sizes or resblock_dilation_sizes",
        "conv_post": "gen_istft_n_fft",
    }
    touched = {key.split(".")[0] for key in (*misshapen, *missing, *unexpected)}
    suspects = [setting for layer, setting in settings.items() if layer in touched]
    return (
        f"compare {'; '.join(suspects)} in the configuration" if suspects else "take the checkpoint's own config.json"
    )


def _some(items: list[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
