"""The vocoder components: a generator with its analysis, from whatever kind of checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ossicle.audio.mel import MelFrontEnd, MelSettings, check_mels
from ossicle.errors import CheckpointError, ConfigError
from ossicle_istftnet.calibration import calibration_mels
from ossicle_istftnet.chunking import Chunking, speak_chunked
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.engines import DTYPES, Engine, make_engine, resolve_dtype
from ossicle_istftnet.folder import SETTINGS, load_folder, save_folder
from ossicle_istftnet.formats import fit, load_state
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.onnx_export import export_onnx
from ossicle_istftnet.public_config import read_public_config
from ossicle_istftnet.receptive_field import receptive_field
from ossicle_istftnet.streaming import GeneratorStream

_LONGEST_AT_ONCE = 1024
"""Frames that are computed in one go; more are cut into chunks."""

_CHUNK = 256
"""Frames of a chunk of a long mel: on a CPU, larger ones are no faster and take more memory."""

_NARROW_CHUNK = 64

SHIPPED = Path(__file__).parent / "default" / "kerstin-v2"
"""The voice that ships inside."""

Path_ = str | Path


class ISTFTNetVocoder:
    """iSTFTNet: mel spectrogram to samples by a HiFi-GAN body and an inverse STFT.

    Source: Kaneko et al., "iSTFTNet" (ICASSP 2022).

    Parameters
    ----------
    checkpoint
        None: the voice that ships inside. Else a model folder of ours, a public checkpoint (``g_...``, ``.pt``,
        ``.pth``, ``.safetensors``; any layout of `ossicle_istftnet.formats`), or a folder that holds one.
    config
        A public checkpoint's ``config.json``; None takes the one beside it.
    dtype
        ``"fp32"`` (exact), or ``"bf16"``, ``"fp16"``, ``"int8"`` where the processor computes them natively: prepared
        and measured against float32 when made, see `precision`. ``"auto"`` is the fastest that is native.
    device
        Where it runs.

    Raises
    ------
    CheckpointError, ConfigError
        If the files are missing, damaged, refused, or do not fit each other.
    """

    architecture: ClassVar[str] = "istftnet"
    dtypes: ClassVar[tuple[str, ...]] = DTYPES

    def __init__(
        self,
        checkpoint: Path_ | None = None,
        config: Path_ | None = None,
        *,
        dtype: str = "fp32",
        device: torch.device | str = "cpu",
    ) -> None:
        generator, front_end, self.name = self._load(checkpoint, config)
        self._assemble(generator, front_end, dtype, device)

    @classmethod
    def from_config(
        cls,
        generator: GeneratorConfig,
        front_end: MelSettings,
        *,
        seed: int = 0,
        dtype: str = "fp32",
        device: torch.device | str = "cpu",
    ) -> ISTFTNetVocoder:
        """Return a vocoder with random weights, for tests and timings."""
        vocoder = cls.__new__(cls)
        vocoder.name = f"random weights, seed {seed}"
        network = Generator(generator, generator=torch.Generator().manual_seed(seed))
        vocoder._assemble(network, front_end, dtype, device)
        return vocoder

    def _assemble(self, generator: Generator, front_end: MelSettings, dtype: str, device: torch.device | str) -> None:
        found = generator.config
        if found.kind != self.architecture:
            raise CheckpointError(
                f"{self.name} is a generator of {found.kind}, not of {self.architecture}",
                why=f"its last convolution has {found.output_channels} channels",
                hint=f"ask for the vocoder {found.kind!r} (--vocoder {found.kind})",
            )
        if found.n_mels != front_end.n_mels or found.hop_length != front_end.hop_length:
            raise ConfigError(
                f"the generator takes {found.n_mels} mels every {found.hop_length} samples",
                why=f"its analysis gives {front_end.n_mels} every {front_end.hop_length}",
            )
        self.generator = generator.eval().requires_grad_(False)
        self._front_end = MelFrontEnd(front_end)
        self.sample_rate = front_end.sample_rate
        self.hop_length = front_end.hop_length
        self.n_mels = front_end.n_mels
        self._wanted = dtype
        self.to(device)

    def _load(self, checkpoint: Path_ | None, config: Path_ | None) -> tuple[Generator, MelSettings, str]:
        path = self._shipped() if checkpoint is None else Path(checkpoint).expanduser()
        if not path.exists():
            raise CheckpointError(f"there is no checkpoint at {path}", hint="check the path")
        if path.is_file() and config is None and path.with_name(SETTINGS).exists() and path.suffix == ".safetensors":
            path = path.parent
        if path.is_dir() and (path / SETTINGS).exists():
            state, generator, front_end = load_folder(path)
        else:
            path = _checkpoint_in(path) if path.is_dir() else path
            state = load_state(path)
            beside = Path(config).expanduser() if config is not None else path.with_name("config.json")
            post = state.get("conv_post.weight")
            generator, front_end = read_public_config(beside, output_channels=None if post is None else post.shape[0])
        network = Generator(generator)
        fit(state, network, name=path.name)
        return network, front_end, path.name

    def _shipped(self) -> Path:
        if not SHIPPED.exists():
            raise CheckpointError(
                f"no voice is installed at {SHIPPED}",
                why="the package is incomplete",
                hint="install it again, or name a checkpoint",
            )
        return SHIPPED

    @property
    def front_end(self) -> MelSettings:
        """The analysis that its mels come from."""
        return self._front_end.settings

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._front_end.bank.device

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Frames to the left and right of a frame that its samples depend on; the right ones are `stream`'s latency."""
        return receptive_field(self.generator.config)

    @property
    def precision(self) -> Engine:
        """What runs in which type, and how far its samples are from float32's on calibration speech."""
        return self._engine

    @torch.no_grad()
    def __call__(self, mel: Tensor) -> Tensor:
        """Return samples (B, N), float32, of natural-log mels (B, M, T).

        N is T * hop_length; a configuration whose kernel and rate differ by an odd number adds samples at the end.
        Long mels are computed in exact chunks, so that memory grows by the samples alone.

        Raises
        ------
        MelError
            If the shape does not fit or values are not finite.
        """
        mel = self._checked(mel, least_frames=1)
        if mel.shape[2] <= _LONGEST_AT_ONCE:
            return self._engine.speak(mel)
        return torch.cat(list(self._in_chunks([mel], _CHUNK)), dim=1)

    @torch.no_grad()
    def stream(self, mels: Iterable[Tensor], *, chunk_frames: int | None = None) -> Iterator[Tensor]:
        """Yield samples (B, n) of mels (B, M, t) that come in pieces of any size; together they equal one call's.

        In float32 every layer keeps what later samples need: nothing is computed twice, and samples come as soon as
        they are determined, `receptive_field[1]` frames after their own. Float32 noise apart (2e-5), samples are
        those of one call.

        Parameters
        ----------
        mels
            Pieces (B, M, t), t from 0 up, B the same throughout.
        chunk_frames
            Compute chunks of so many frames with their surroundings again instead: more throughput where pieces are
            small and latency does not matter. Types narrower than float32 always do, by 64 frames.

        Raises
        ------
        MelError
            If a piece does not fit or holds values that are not finite, or all together are empty.
        """
        checked = (self._checked(piece) for piece in mels)
        if chunk_frames is None and self._engine.dtype != "fp32":
            chunk_frames = _NARROW_CHUNK
        if chunk_frames is not None:
            yield from self._in_chunks(checked, chunk_frames)
            return
        running = GeneratorStream(self.generator)
        for whole in checked:
            for piece in whole.split(_CHUNK, dim=2):
                wave = running.push(piece)
                if wave.shape[1]:
                    yield wave
        yield running.finish()

    def _in_chunks(self, mels: Iterable[Tensor], frames: int) -> Iterator[Tensor]:
        left, right = self.receptive_field
        # A GPU is idle on one chunk at a time; a CPU's caches are not.
        batch = 8 if self.device.type == "cuda" else 1
        return speak_chunked(self._engine.speak, mels, Chunking(frames, left, right, self.hop_length, batch))

    def _checked(self, mel: Tensor, *, least_frames: int = 0) -> Tensor:
        mel = mel.to(self.device, torch.float32)
        check_mels(mel, self.n_mels, taken_by=self.architecture, least_frames=least_frames)
        return mel

    @torch.no_grad()
    def mel(self, wave: Tensor) -> Tensor:
        """Return natural-log mels (B, M, T), float32, of samples (B, N) in [-1, 1] at `sample_rate`.

        Raises
        ------
        AudioError
            If the shape is not (B, N) or there are too few samples.
        """
        return self._front_end(wave.to(self.device, torch.float32))

    def to(self, device: Any) -> ISTFTNetVocoder:
        """Move to a device and return itself; types narrower than float32 are prepared and measured there."""
        device = torch.device(device)
        if getattr(self, "_engine", None) is not None and device == self.device:
            return self
        dtype = resolve_dtype(self._wanted, device)
        self.generator.to(device)
        self._front_end.to(device)
        self._engine = make_engine(self.generator, dtype, device, calibration_mels(self.n_mels))
        return self

    def save(self, folder: Path_, *, card: dict[str, Any] | None = None) -> None:
        """Write a model folder that `checkpoint` takes."""
        save_folder(Path(folder), self.generator.state_dict(), self.generator.config, self.front_end, card=card)

    def export_onnx(self, path: Path_) -> None:
        """Write the generator as ONNX, opset 17: ``mel`` (batch, mels, frames) to ``wave`` (batch, samples).

        Raises
        ------
        MissingPackageError
            If the package onnx is not installed.
        """
        export_onnx(self.generator, Path(path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.sample_rate} Hz, hop {self.hop_length}, {self.n_mels} mels)"


class HiFiGANVocoder(ISTFTNetVocoder):
    """HiFi-GAN V1, V2 or V3: the same body without the inverse STFT. No weights ship: name a checkpoint.

    Source: Kong, Kim and Bae, "HiFi-GAN" (NeurIPS 2020).
    """

    architecture: ClassVar[str] = "hifigan"

    def _shipped(self) -> Path:
        raise CheckpointError(
            "no HiFi-GAN weights ship", hint="name a checkpoint, or take the vocoder istftnet, which has a voice inside"
        )


def _checkpoint_in(folder: Path) -> Path:
    found = sorted(
        p
        for p in folder.iterdir()
        if p.is_file() and (p.name.startswith("g_") or p.suffix in (".pt", ".pth", ".ckpt", ".safetensors"))
    )
    if len(found) != 1:
        raise CheckpointError(
            f"{folder} holds {len(found)} checkpoints",
            why=", ".join(p.name for p in found[:8]) or f"there is neither {SETTINGS} nor a file g_...",
            hint="name one file",
        )
    return found[0]
