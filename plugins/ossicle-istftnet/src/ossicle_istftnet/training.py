"""Training a generator: a spectral warm-up alone, then HiFi-GAN's losses against both discriminators.

Sources: Kong, Kim and Bae, "HiFi-GAN" (2020), section 2; Kaneko et al., "iSTFTNet" (2022), section 3.1. The warm-up is
ours: for a run of hours on a CPU, steps without discriminators buy far more than steps with them.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.audio.corpus import Corpus
from ossicle.audio.mel import MelFrontEnd, MelSettings
from ossicle.audio.quality.tone import ToneDetector
from ossicle.errors import AudioError, ConfigError
from ossicle.training.checkpoint import load_state, save_state
from ossicle.training.ema import Average
from ossicle.training.seeds import generator_for
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.discriminators import MultiPeriodDiscriminator, MultiScaleDiscriminator
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.losses import (
    MEL_WEIGHT,
    discriminator_loss,
    feature_loss,
    frame_lock_loss,
    generator_loss,
    spectral_loss,
)

_MARGIN_FRAMES = 2
"""Frames cut from both ends of an excerpt's mel: they see the reflection at the excerpt's edge, not the sound."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What decides a run, beside the generator and the front end.

    Parameters
    ----------
    steps
        Optimizer steps in all, the warm-up included.
    warmup_steps
        Steps with spectral losses alone, before the discriminators join.
    batch_size, segment_frames
        Excerpts a step, and mel frames in each.
    learning_rate, final_learning_rate
        The rate falls from the first to the second along half a cosine, over the warm-up and again over the rest
        (there from `gan_learning_rate`).
    betas, weight_decay, clip_norm
        AdamW's settings, and the largest norm of the generator's gradient.
    mel_weight, spectral_weight
        Weights of the mel L1 (45 as published) and of the multi-resolution spectral loss (ours; 0 as published).
    lock_weight
        Weight of the loss against phases that start anew with every frame (ours; 0 as published).
    period_width, scale_width
        First-layer channels of the discriminators (32 and 128 as published).
    ema_decay
        Decay of the averaged weights that are evaluated and shipped.
    gain_db
        Each excerpt is scaled by a random gain from this range.
    amp
        ``"bf16"`` runs convolutions in bfloat16; ``"off"`` all in float32.
    """

    seed: int = 0
    steps: int = 1_000_000
    warmup_steps: int = 0
    batch_size: int = 16
    segment_frames: int = 32
    learning_rate: float = 2e-4
    gan_learning_rate: float = 2e-4
    final_learning_rate: float = 2e-5
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.01
    clip_norm: float = 100.0
    mel_weight: float = MEL_WEIGHT
    spectral_weight: float = 0.0
    lock_weight: float = 0.0
    period_width: int = 32
    scale_width: int = 128
    ema_decay: float = 0.999
    gain_db: tuple[float, float] = (0.0, 0.0)
    amp: str = "off"

    def __post_init__(self) -> None:
        if self.amp not in ("off", "bf16"):
            raise ConfigError(f"amp is {self.amp!r}", why="it must be 'off' or 'bf16'")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ConfigError(
                f"warmup_steps {self.warmup_steps} of {self.steps} steps", why="it must lie between 0 and steps"
            )

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup_steps:
            start, first, length = self.learning_rate, 0, self.warmup_steps
        else:
            start, first, length = self.gan_learning_rate, self.warmup_steps, self.steps - self.warmup_steps
        progress = (step - first) / max(1, length)
        rate = self.final_learning_rate + (start - self.final_learning_rate) * 0.5 * (1 + math.cos(math.pi * progress))
        return rate * min(1.0, (step - first + 1) / 200)


class Trainer:
    """One generator, its discriminators and their optimizers; a step at a time.

    What a step draws depends on the seed and the step's number alone, so a resumed run repeats the unbroken one.
    """

    def __init__(
        self,
        generator: GeneratorConfig,
        front_end: MelSettings,
        config: TrainingConfig,
        corpus: Corpus,
        *,
        device: torch.device | str = "cpu",
        initial: dict[str, Tensor] | None = None,
    ) -> None:
        if generator.hop_length != front_end.hop_length or generator.n_mels != front_end.n_mels:
            raise ConfigError(
                f"the generator makes {generator.hop_length} samples a frame of {generator.n_mels} mels",
                why=f"the front end moves by {front_end.hop_length} samples and gives {front_end.n_mels} mels",
            )
        if corpus.sample_rate != front_end.sample_rate:
            raise ConfigError(f"the corpus is at {corpus.sample_rate} Hz, the front end at {front_end.sample_rate} Hz")
        self.config = config
        self.device = torch.device(device)
        self.corpus = corpus.to(self.device)
        self.front_end = MelFrontEnd(front_end).to(self.device)
        loss_settings = MelSettings(**{**front_end.to_dict(), "fmax": None})
        self.loss_mel = MelFrontEnd(loss_settings).to(self.device)
        network = Generator(generator, generator=generator_for(config.seed, "generator"))
        if initial is not None:
            network.load_state_dict(initial)
        self.generator = network.to(self.device).add_weight_norm()
        self.average = Average(self.generator, decay=config.ema_decay)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.discriminators = nn.ModuleList(
                [MultiPeriodDiscriminator(width=config.period_width), MultiScaleDiscriminator(width=config.scale_width)]
            ).to(self.device)
        self.generator_optimizer = self._optimizer(self.generator)
        self.discriminator_optimizer = self._optimizer(self.discriminators)
        self.step_number = 0

    def _optimizer(self, module: nn.Module) -> torch.optim.AdamW:
        c = self.config
        return torch.optim.AdamW(
            module.parameters(), c.learning_rate, c.betas, weight_decay=c.weight_decay, fused=self.device.type == "cuda"
        )

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the mels (B, M, T) and samples (B, T * hop) of a step."""
        c, s = self.config, self.front_end.settings
        draw = generator_for(c.seed, "batch", step)
        margin = _MARGIN_FRAMES * s.hop_length
        length = c.segment_frames * s.hop_length
        wave = self.corpus.segments(c.batch_size, length + 2 * margin, overhang=length // 4, generator=draw)
        low, high = c.gain_db
        gain = 10 ** ((low + (high - low) * torch.rand(c.batch_size, 1, generator=draw)) / 20)
        peak = wave.abs().amax(1, keepdim=True).clamp(min=1e-3)
        wave = wave * torch.minimum(gain.to(self.device), 0.99 / peak)
        with torch.no_grad():
            mel = self.front_end(wave)[:, :, _MARGIN_FRAMES:-_MARGIN_FRAMES]
        return mel, wave[:, margin:-margin]

    def step(self) -> dict[str, float]:
        """Take one step and return its losses by name."""
        step, c = self.step_number, self.config
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = c.rate_at(step)
        mel, real = self.batch(step)
        fake = self._generate(mel)
        losses: dict[str, Tensor] = {}
        if step >= c.warmup_steps:
            losses["discriminator"] = self._discriminator_step(real, fake.detach())
        total = self._spectral(real, fake, losses)
        if step >= c.warmup_steps:
            total = total + self._adversarial(real, fake, losses)
        self.generator_optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.generator.parameters(), c.clip_norm)
        if torch.isfinite(norm):
            self.generator_optimizer.step()
            self.average.update(self.generator, step)
        self.step_number += 1
        return {name: float(value.detach()) for name, value in {**losses, "total": total, "norm": norm}.items()}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.amp == "bf16")

    def _generate(self, mel: Tensor) -> Tensor:
        with self._autocast():
            channels = self.generator.channels(mel)
        return self.generator.head(channels.float())

    def _judge(self, wave: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        with self._autocast():
            judgements = [j for network in self.discriminators for j in network(wave[:, None])]
        return [logits.float() for logits, _ in judgements], [features for _, features in judgements]

    def _discriminator_step(self, real: Tensor, fake: Tensor) -> Tensor:
        both, _ = self._judge(torch.cat([real, fake]))
        halves = [logits.chunk(2) for logits in both]
        loss = discriminator_loss([r for r, _ in halves], [f for _, f in halves])
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimizer.step()
        return loss

    def _spectral(self, real: Tensor, fake: Tensor, losses: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            wanted = self.loss_mel(real)
        losses["mel"] = (self.loss_mel(fake) - wanted).abs().mean()
        total = self.config.mel_weight * losses["mel"]
        if self.config.spectral_weight:
            losses["spectral"] = spectral_loss(real, fake)
            total = total + self.config.spectral_weight * losses["spectral"]
        if self.config.lock_weight:
            losses["lock"] = frame_lock_loss(real, fake, self.front_end.settings.hop_length)
            total = total + self.config.lock_weight * losses["lock"]
        return total

    def _adversarial(self, real: Tensor, fake: Tensor, losses: dict[str, Tensor]) -> Tensor:
        self.discriminators.requires_grad_(False)
        try:
            with torch.no_grad():
                _, real_features = self._judge(real)
            logits, fake_features = self._judge(fake)
        finally:
            self.discriminators.requires_grad_(True)
        losses["adversarial"] = generator_loss(logits)
        losses["features"] = feature_loss(
            [[f.float() for f in layers] for layers in real_features],
            [[f.float() for f in layers] for layers in fake_features],
        )
        return losses["adversarial"] + losses["features"]

    @torch.no_grad()
    def validate(self, corpus: Corpus, *, limit: int = 8) -> dict[str, float]:
        """Return the averaged generator's figures over the first utterances of a held-out corpus.

        They are the mean loss-mel L1, and by how many dB the worst tone stands out (`ossicle.audio.quality.tone`).
        """
        totals = []
        tones = ToneDetector(self.front_end.settings.sample_rate, self.front_end.settings.hop_length)
        for index in range(min(limit, len(corpus))):
            wave = corpus.utterance(index)[None].to(self.device)
            mel = self.front_end(wave)
            fake = self.average.module(mel)
            tones.add(wave[0].cpu().numpy(), fake[0].cpu().numpy())
            totals.append((self.loss_mel(fake) - self.loss_mel(wave[:, : fake.shape[1]])).abs().mean())
        figures = {"valid_mel_l1": float(torch.stack(totals).mean())}
        with contextlib.suppress(AudioError):
            figures["valid_tone_db"] = tones.result().db
        return figures

    @torch.no_grad()
    def samples(self, corpus: Corpus, *, limit: int = 3) -> list[tuple[Tensor, Tensor]]:
        """Return original and synthesis, each (N,), on the CPU, for the first held-out utterances."""
        found = []
        for index in range(min(limit, len(corpus))):
            wave = corpus.utterance(index)[None].to(self.device)
            fake = self.average.module(self.front_end(wave))
            found.append((wave[0].cpu(), fake[0].cpu()))
        return found

    def shipped_state(self) -> dict[str, Tensor]:
        """Return the averaged generator's weights with weight norm folded, on the CPU."""
        folded = Generator(self.generator.config).add_weight_norm()
        folded.load_state_dict(self.average.module.state_dict())
        return {name: value.detach().cpu() for name, value in folded.fold_weight_norm().state_dict().items()}

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on."""
        save_state(path, {name: part.state_dict() for name, part in self._parts().items()} | {"step": self.step_number})

    def resume(self, path: Path) -> None:
        """Read what `save` wrote."""
        state: dict[str, Any] = load_state(path, device=self.device)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step_number = state["step"]

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "average": self.average.module,
            "discriminators": self.discriminators,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
