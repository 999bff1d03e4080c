"""Options that mean the same in every command."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli.console import STDIO as STDIO
from ossicle.errors import ConfigError, UsageError
from ossicle.registry import default_registry

Force = Annotated[bool, Parameter(name="--force", negative="", help="Overwrite outputs that exist.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Say nothing but errors.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Write the result as JSON on stdout.")]
Output = Annotated[str, Parameter(name=["--output", "-o"], help="A file for one input, else a folder; - is stdout.")]
VocoderName = Annotated[
    str | None, Parameter(name="--vocoder", help="Vocoder of the registry (default: the installed default).")
]
Checkpoint = Annotated[
    str | None, Parameter(name="--checkpoint", help="Weights: a model folder or a public checkpoint file.")
]
Config = Annotated[
    str | None, Parameter(name="--config", help="config.json of a public checkpoint (default: beside it).")
]
Device = Annotated[str, Parameter(name="--device", help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[
    str,
    Parameter(
        name="--dtype",
        help="fp32 (exact), bf16, fp16 or int8, each measured against fp32; auto: the fastest that is native here.",
    ),
]
SoundFormat = Annotated[
    str | None, Parameter(name="--format", help="wav, flac, ogg or mp3 (default: by -o's suffix, else wav).")
]
Subtype = Annotated[str | None, Parameter(name="--subtype", help="PCM_16, PCM_24, FLOAT, ... (default: the format's).")]
Seed = Annotated[int, Parameter(name="--seed", help="Seed of everything random.")]

_DTYPES = ("auto", "fp32", "bf16", "fp16", "int8")


def resolve_device(name: str) -> str:
    """Return the device that a name means here.

    Raises
    ------
    UsageError
        If the name is not understood or the device is not there.
    """
    import torch

    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise UsageError(f"no device is called {name!r}", hint="use auto, cpu, cuda, cuda:N or mps")
    if kind == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and (not torch.cuda.is_available() or int(index or 0) >= torch.cuda.device_count()):
        raise UsageError(
            f"there is no device {name}",
            why=f"torch sees {torch.cuda.device_count()} CUDA devices",
            hint="use --device auto or cpu",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError(
            "there is no device mps", why="torch was built or runs without it", hint="use --device auto or cpu"
        )
    return name


def build_vocoder(
    name: str | None,
    *,
    checkpoint: str | None = None,
    config: str | None = None,
    device: str = "auto",
    dtype: str = "fp32",
    **settings: Any,
) -> tuple[str, Any]:
    """Return the name and the vocoder that the options ask for, on its device.

    Raises
    ------
    OssicleError
        If there is no such vocoder, or it does not offer what is asked.
    """
    if dtype not in _DTYPES:
        raise UsageError(f"no dtype is called {dtype!r}", hint=f"use {', '.join(_DTYPES)}")
    place = resolve_device(device)
    registry = default_registry()
    name = name or registry.default("vocoder")
    given = {"checkpoint": checkpoint, "config": config}
    settings |= {key: value for key, value in given.items() if value is not None}
    factory = registry.get("vocoder", name)
    offered = getattr(factory, "dtypes", ("fp32",))
    if dtype not in ("auto", *offered):
        raise UsageError(f"the vocoder {name} does not offer {dtype}", hint=f"it offers {', '.join(offered)}")
    known = {"dtype": dtype, "device": place}
    settings = {key: value for key, value in known.items() if accepts(factory, key)} | settings
    return name, registry.build("vocoder", name, **settings).to(place)


def accepts(factory: Any, setting: str) -> bool:
    """Return whether a component can be built with a setting."""
    try:
        return setting in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def parse_spec(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and settings of ``name:key=value,key=value``; values are JSON where they parse, else text.

    Raises
    ------
    ConfigError
        If a part is not ``key=value``.
    """
    import json

    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{part!r} in {text!r} is not understood", hint="write NAME:KEY=VALUE,KEY=VALUE")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    return name, settings
