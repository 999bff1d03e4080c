"""The vocoder: the published network behind ossicle's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.audio.mel import MelFrontEnd, MelSettings, check_mels
from ossicle.errors import CheckpointError, MissingPackageError
from ossicle.training.checkpoint import read_weights
from ossicle_vocos.config import VocosConfig, read_config

_HOME = "https://huggingface.co/charactr/vocos-mel-24khz"
_NAMES = ("model.safetensors", "pytorch_model.bin")
_PARTS = ("backbone.", "head.")
_SHOWN = 4


class VocosVocoder:
    """Vocos: mel spectrogram to samples by ConvNeXt blocks at the frame rate and an inverse STFT.

    Source: Siuzdak, "Vocos" (ICLR 2024); the network is that of the package ``vocos``.

    Parameters
    ----------
    checkpoint
        The published folder, with ``config.yaml`` and ``pytorch_model.bin`` (or ``model.safetensors``), or such a file.
    config
        The ``config.yaml``; None takes the one beside the checkpoint.
    device
        Where it runs.

    Raises
    ------
    CheckpointError, ConfigError
        If there is no checkpoint, or the files are damaged, refused, or do not fit each other.
    MissingPackageError
        If the package ``vocos`` is not installed.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        config: str | Path | None = None,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        if checkpoint is None:
            raise CheckpointError(
                "the vocoder vocos needs a checkpoint",
                why="this plugin carries no weights",
                hint=f"get config.yaml and pytorch_model.bin from {_HOME} into a folder, and name it: "
                "--checkpoint FOLDER",
            )
        path = _file_of(Path(checkpoint).expanduser())
        settings = read_config(Path(config).expanduser() if config is not None else path.with_name("config.yaml"))
        network = _build(settings)
        _fit(read_weights(path), network, path.name)
        self._assemble(network, settings, path.name, device)

    @classmethod
    def from_config(
        cls, config: VocosConfig | None = None, *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> VocosVocoder:
        """Return a vocoder with random weights, for tests and timings."""
        config = config or VocosConfig()
        vocoder = cls.__new__(cls)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vocoder._assemble(_build(config), config, f"random weights, seed {seed}", device)
        return vocoder

    def _assemble(self, network: nn.ModuleDict, config: VocosConfig, name: str, device: torch.device | str) -> None:
        self.name = name
        self.config = config
        self.network = network.eval().requires_grad_(False)
        self._front_end = MelFrontEnd(config.front_end)
        self.sample_rate, self.hop_length, self.n_mels = config.sample_rate, config.hop_length, config.n_mels
        self.to(device)

    @property
    def front_end(self) -> MelSettings:
        """The analysis that its mels come from."""
        return self._front_end.settings

    @torch.no_grad()
    def __call__(self, mel: Tensor) -> Tensor:
        """Return samples (B, N), float32, of natural-log mels (B, M, T).

        N is (T - 1) * hop_length where frames are centred, as in the published model; else T * hop_length.

        Raises
        ------
        MelError
            If the shape does not fit, there are too few frames, or values are not finite.
        """
        mel = mel.to(self._front_end.bank.device, torch.float32)
        check_mels(mel, self.n_mels, taken_by="vocos", least_frames=2 if self.config.padding == "center" else 1)
        return self.network["head"](self.network["backbone"](mel))

    @torch.no_grad()
    def mel(self, wave: Tensor) -> Tensor:
        """Return natural-log mels (B, M, T), float32, of samples (B, N) in [-1, 1] at `sample_rate`."""
        return self._front_end(wave.to(self._front_end.bank.device, torch.float32))

    def to(self, device: Any) -> VocosVocoder:
        """Move to a device and return itself."""
        self.network.to(device)
        self._front_end.to(device)
        return self

    def __repr__(self) -> str:
        return f"VocosVocoder({self.name}, {self.sample_rate} Hz, hop {self.hop_length}, {self.n_mels} mels)"


def _build(config: VocosConfig) -> nn.ModuleDict:
    try:
        from vocos.heads import ISTFTHead
        from vocos.models import VocosBackbone
    except ImportError as error:
        raise MissingPackageError(
            "the package vocos is not installed", why=str(error), hint="pip install vocos"
        ) from error
    body = VocosBackbone(
        input_channels=config.n_mels,
        dim=config.dim,
        intermediate_dim=config.intermediate_dim,
        num_layers=config.num_layers,
    )
    head = ISTFTHead(dim=config.dim, n_fft=config.n_fft, hop_length=config.hop_length, padding=config.padding)
    return nn.ModuleDict({"backbone": body, "head": head})


def _file_of(path: Path) -> Path:
    if not path.exists():
        raise CheckpointError(
            f"there is no checkpoint at {path}", hint=f"check the path; {_HOME} has the published one"
        )
    if path.is_file():
        return path
    found = [path / name for name in _NAMES if (path / name).is_file()]
    if not found:
        raise CheckpointError(
            f"{path} holds no checkpoint",
            why=f"there is neither {' nor '.join(_NAMES)}",
            hint=f"get pytorch_model.bin and config.yaml from {_HOME}",
        )
    return found[0]


def _fit(state: Any, network: nn.ModuleDict, name: str) -> None:
    if not isinstance(state, dict):
        raise CheckpointError(
            f"{name} holds no Vocos model", why=f"it is a {type(state).__name__}, not tensors by name"
        )
    # The analysis in a published file (feature_extractor.*) is computed anew.
    found = {str(key): value for key, value in state.items() if str(key).startswith(_PARTS)}
    wanted = network.state_dict()
    wrong = [key for key in wanted if key not in found]
    wrong += [key for key, value in found.items() if key not in wanted or not _alike(value, wanted[key])]
    if wrong:
        shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        raise CheckpointError(
            f"{name} does not fit its configuration",
            why=f"missing, unexpected or of another shape: {shown}",
            hint="take the config.yaml that was published with it",
        )
    spoiled = [key for key, value in found.items() if not bool(torch.isfinite(value).all())]
    if spoiled:
        raise CheckpointError(f"{name} holds weights that are not numbers", why=f"NaN or infinite: {spoiled[0]}")
    network.load_state_dict(found)


def _alike(value: Any, wanted: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == wanted.shape and value.is_floating_point()
