"""The vocoders beyond the golden vectors: shapes that are easily got wrong, and the baseline."""

import math

import pytest
import torch

import ossicle
from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError, MelError
from ossicle_istftnet.config import GeneratorConfig, variant
from ossicle_istftnet.griffin_lim import GriffinLim
from ossicle_istftnet.vocoder import ISTFTNetVocoder


def speech_like(seconds=1.0, rate=22050):
    t = torch.arange(int(seconds * rate)) / rate
    pitch = 200 + 40 * torch.sin(2 * math.pi * 3 * t)
    phase = 2 * math.pi * torch.cumsum(pitch, 0) / rate
    return (sum(torch.sin(k * phase) / k for k in range(1, 20)) * 0.1)[None]


def small(**changes):
    shape = {
        "upsample_initial_channel": 16,
        "resblock_kernel_sizes": (3,),
        "resblock_dilation_sizes": ((1, 3),),
        **changes,
    }
    return GeneratorConfig(**shape)


@pytest.mark.parametrize(
    ("config", "settings", "extra"),
    [
        (small(), MelSettings.hifigan(), 0),
        (
            small(n_mels=100, upsample_rates=(5, 4), upsample_kernel_sizes=(10, 8), istft_n_fft=60, istft_hop=15),
            MelSettings.hifigan(sample_rate=24000, n_fft=1200, hop_length=300, n_mels=100, fmax=12000.0),
            4 * 15,  # kernel 10 and rate 5 differ by an odd number: one frame more, up-sampled by 4, times the hop
        ),
        (
            small(upsample_rates=(10, 6), upsample_kernel_sizes=(20, 12), istft_n_fft=20, istft_hop=5, resblock="2"),
            MelSettings.hifigan(sample_rate=24000, n_fft=2048, hop_length=300, win_length=1200),
            0,
        ),
        (
            small(upsample_rates=(8, 8, 2, 2), upsample_kernel_sizes=(16, 16, 4, 4), istft_n_fft=None, istft_hop=None),
            MelSettings.hifigan(),
            0,
        ),
    ],
    ids=["c8c8i", "24 kHz, 100 mels, odd kernel", "kokoro-like", "hifigan"],
)
@pytest.mark.parametrize("frames", [1, 2, 17])
def test_any_rate_hop_and_mel_count(config, settings, extra, frames):
    cls = ISTFTNetVocoder if config.has_istft else type("H", (ISTFTNetVocoder,), {"architecture": "hifigan"})
    speak = cls.from_config(config, settings)
    wave = speak(torch.full((2, settings.n_mels, frames), -5.0))
    assert wave.shape == (2, frames * settings.hop_length + extra)
    assert torch.isfinite(wave).all()


def test_a_single_frame_is_too_short_for_c1i_and_says_so():
    speak = ISTFTNetVocoder.from_config(variant("v2-c1i"), MelSettings.hifigan())
    with pytest.raises(MelError, match="too short"):
        speak(torch.zeros(1, 80, 1))
    assert speak(torch.zeros(1, 80, 2)).shape == (1, 512)


def test_generator_and_analysis_must_agree():
    with pytest.raises(ConfigError, match="256 samples"):
        ISTFTNetVocoder.from_config(small(), MelSettings.hifigan(hop_length=300))


def test_a_transposed_mel_gets_a_hint():
    speak = ISTFTNetVocoder.from_config(small(), MelSettings.hifigan())
    with pytest.raises(MelError) as caught:
        speak(torch.zeros(1, 20, 80))
    assert "transpose" in caught.value.hint


def test_the_same_seed_gives_the_same_random_weights():
    one, two, other = (ISTFTNetVocoder.from_config(small(), MelSettings.hifigan(), seed=s) for s in (0, 0, 1))
    mel = torch.zeros(1, 80, 4)
    assert torch.equal(one(mel), two(mel)) and not torch.equal(one(mel), other(mel))


def test_full_phase_reaches_every_angle():
    from ossicle_istftnet.head import FullPhaseHead, inverse_stft

    draw = torch.Generator().manual_seed(0)
    angle = torch.rand(1, 9, 12, generator=draw) * 2 * math.pi
    log_magnitude = torch.randn(1, 9, 12, generator=draw)
    channels = torch.cat([log_magnitude, 3 * angle.cos(), 3 * angle.sin()], dim=1)
    wanted = inverse_stft(torch.polar(log_magnitude.exp(), angle), 16, 4)
    torch.testing.assert_close(FullPhaseHead(16, 4)(channels), wanted, atol=1e-5, rtol=0)


def test_gradients_flow_through_the_head():
    speak = ISTFTNetVocoder.from_config(small(), MelSettings.hifigan())
    speak.generator.requires_grad_(True)
    speak.generator(torch.zeros(1, 80, 4)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in speak.generator.parameters())


@pytest.mark.parametrize(
    "settings", [MelSettings.hifigan(), MelSettings.vocos(sample_rate=22050)], ids=["hifigan", "vocos"]
)
def test_griffin_lim_gives_back_the_mel_it_got(settings):
    speak = GriffinLim(front_end=settings)
    mel = speak.mel(speech_like())
    wave = speak(mel)
    hop = settings.hop_length
    assert wave.shape[1] == (mel.shape[2] - (settings.padding == "center")) * hop
    again = speak.mel(wave)
    loud = mel[..., : again.shape[2]] > -4
    assert (again - mel[..., : again.shape[2]])[loud].abs().mean() < 0.25


def test_griffin_lim_is_aligned_with_the_sound():
    speak = GriffinLim()
    wave = torch.zeros(1, 256 * 40)
    wave[0, 256 * 20 : 256 * 22] = torch.randn(512, generator=torch.Generator().manual_seed(0)) * 0.3
    made = speak(speak.mel(wave))
    centre = (made[0].square() * torch.arange(made.shape[1])).sum() / made.square().sum()
    assert centre.item() == pytest.approx(256 * 21, abs=128)


def test_more_iterations_come_closer():
    mel = GriffinLim().mel(speech_like())
    errors = [float((GriffinLim(iterations=n).mel(GriffinLim(iterations=n)(mel)) - mel).abs().mean()) for n in (1, 32)]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"momentum": 1.0}, {"momentum": -0.1}])
def test_griffin_lim_refuses_settings_that_make_no_sense(wrong):
    with pytest.raises(ConfigError):
        ossicle.build("vocoder", "griffin-lim", **wrong)
