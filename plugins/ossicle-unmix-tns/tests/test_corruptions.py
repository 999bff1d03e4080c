"""Corruptions: what each does to sound, the same way for the same clip every time."""

import numpy as np
import pytest
import soundfile
import torch

import ossicle
from ossicle.errors import AudioError, ConfigError, InputError
from ossicle_unmix_tns.corruptions import HELD_OUT, TESTED, TYPES
from ossicle_unmix_tns.corruptions.base import active_rms, protect, rms
from ossicle_unmix_tns.corruptions.gaps import lost_packets
from ossicle_unmix_tns.corruptions.tempo import at_speed, stretch

RATE = 8000


def tones(rows=3, seconds=0.6, rate=RATE):
    """Decaying tones with a little noise, each at a pitch of its own."""
    at = torch.arange(round(seconds * rate)) / rate
    pitch = 300 + 250 * torch.arange(rows)[:, None]
    noise = torch.randn(rows, len(at), generator=torch.Generator().manual_seed(0))
    return 0.5 * torch.sin(2 * torch.pi * pitch * at) * torch.exp(-3 * at) + 0.003 * noise


def change(name, wave, severity, rate=RATE, keys=None, **settings):
    keys = [f"clip{i}" for i in range(len(wave))] if keys is None else keys
    return ossicle.build("corruption", name, **settings)(wave, sample_rate=rate, severity=severity, keys=keys)


def band_share(wave, rate, low, high):
    """Share of the energy between two frequencies."""
    power = torch.fft.rfft(wave).abs().square().sum(dim=0)
    hz = torch.fft.rfftfreq(wave.shape[1], 1 / rate)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


def test_eighteen_are_registered_four_of_them_held_out():
    assert set(TYPES) <= set(ossicle.names("corruption"))
    assert len(TYPES) == 18 and [TYPES.index(name) + 1 for name in HELD_OUT] == [2, 12, 17, 18]
    assert set(TESTED) | set(HELD_OUT) == set(TYPES) and len(TESTED) == 14


@pytest.mark.parametrize("name", TYPES)
def test_a_clip_is_changed_by_its_key_and_nothing_else_in_the_batch(name):
    wave = tones()
    together = change(name, wave, 3)
    alone = change(name, wave[1:2], 3, keys=["clip1"])
    backwards = change(name, wave.flip(0), 3, keys=["clip2", "clip1", "clip0"]).flip(0)
    assert torch.allclose(together[1:2], alone, atol=2e-6)
    assert torch.allclose(together, backwards, atol=2e-6)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("samples", [1, 2, 100])
def test_the_shortest_clips_come_out_as_long_as_they_were(name, samples):
    wave = torch.linspace(-0.5, 0.5, samples).expand(2, samples).clone()
    for severity in (1, 5):
        out = change(name, wave, severity)
        assert out.shape == wave.shape and bool(torch.isfinite(out).all())


@pytest.mark.parametrize("name", TYPES)
def test_silence_makes_no_trouble_and_loud_clips_are_not_clipped(name):
    assert bool(torch.isfinite(change(name, torch.zeros(1, 800), 5)).all())
    out = change(name, tones() * 1.9, 4)
    assert float(out.abs().max()) <= 1.0001


@pytest.mark.parametrize(
    "name", sorted(set(TYPES) - {"telephone", "pitch", "tempo", "equalizer", "environment", "babble"})
)
def test_harder_severities_change_more(name):
    wave = tones()
    far = [float(rms(change(name, wave, s) - wave).mean()) for s in (1, 3, 5)]
    assert far[0] < far[1] < far[2]


@pytest.mark.parametrize(("severity", "decibels"), [(1, 20), (3, 10), (5, 0)])
@pytest.mark.parametrize("name", ["white-noise", "pink-noise", "environment", "babble"])
def test_noise_is_as_far_below_the_active_frames_as_said(name, severity, decibels):
    wave = 0.02 * torch.sin(torch.arange(4000) * 0.7).expand(2, 4000).clone()
    padded = torch.nn.functional.pad(wave, (0, 4000))  # silence behind a word makes it no quieter
    noise = change(name, padded, severity) - padded
    assert (20 * torch.log10(rms(wave) / rms(noise)))[:, 0].tolist() == pytest.approx([decibels] * 2, abs=0.1)


def test_pink_noise_is_louder_in_low_octaves_than_white():
    silence = torch.full((1, 8000), 1e-3)
    low = {
        name: band_share(change(name, silence, 5) - silence, RATE, 100, 500) for name in ("white-noise", "pink-noise")
    }
    assert low["white-noise"] == pytest.approx(0.1, abs=0.02)
    assert low["pink-noise"] > 2 * low["white-noise"]


def test_low_pass_scales_with_the_rate():
    noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert band_share(change("low-pass", noise, 3, rate=16000), 16000, 2400, 8000) < 0.01
    assert band_share(change("low-pass", noise, 3, rate=8000), 8000, 1200, 4000) < 0.01


def test_clipping_flattens_the_share_of_samples_asked_for_and_keeps_the_peak():
    wave = tones(1)
    out = change("clipping", wave, 4)
    top = out.abs().max()
    assert float(top) == pytest.approx(float(wave.abs().max()), rel=1e-5)
    assert float((out.abs() > 0.999 * top).float().mean()) == pytest.approx(0.4, abs=0.01)


def test_bits_leave_so_many_levels():
    out = change("bit-depth", tones(), 5)
    assert torch.equal(out * 16, torch.round(out * 16))


def test_gain_is_in_decibels():
    assert torch.allclose(change("gain", tones(), 2), tones() * 10 ** (-12 / 20))


def test_reverberation_decays_by_sixty_decibels_in_the_time_said():
    click = torch.zeros(1, 16000)
    click[0, 0] = 0.5
    ring = change("reverb", click, 3)[0, 1:].double()  # 0.7 s
    decay = 10 * torch.log10(ring.square().flip(0).cumsum(0).flip(0))  # Schroeder's integral
    fall = (decay[int(0.05 * RATE)] - decay[int(0.35 * RATE)]) / 0.3
    assert float(60 / fall) == pytest.approx(0.7, rel=0.15)


def test_losses_are_as_many_and_as_long_as_the_model_says():
    chances = torch.rand(50, 2000, generator=torch.Generator().manual_seed(0))
    lost = lost_packets(chances, 0.2, 3.0)
    starts = (lost[:, 1:] & ~lost[:, :-1]).sum() + lost[:, 0].sum()
    assert float(lost.float().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(lost.sum() / starts) == pytest.approx(3.0, rel=0.05)


def test_dropout_is_one_gap_of_the_length_said():
    out = change("dropout", torch.ones(4, 1000), 4)
    assert (out == 0).sum(dim=1).tolist() == [300] * 4
    assert ((out[:, 1:] != out[:, :-1]).sum(dim=1) <= 2).all()


def test_stretching_keeps_the_pitch_and_changes_the_length():
    wave = torch.sin(2 * torch.pi * 500 * torch.arange(8000) / RATE)[None] * 0.5
    for factor in (0.5, 1.25, 2.0):
        out = stretch(wave, RATE, factor)
        assert out.shape[1] == round(8000 / factor)
        assert band_share(out, RATE, 460, 540) > 0.95
        assert float(rms(out)) == pytest.approx(float(rms(wave)), rel=0.2)


def test_pitch_moves_by_semitones_either_way():
    wave = torch.sin(2 * torch.pi * 500 * torch.arange(8000) / RATE).expand(12, -1) * 0.5
    out = change("pitch", wave, 5)
    peak = torch.fft.rfft(out).abs().argmax(dim=1) * RATE / 8000
    ratios = sorted({round(float(12 * torch.log2(p / 500))) for p in peak})
    assert ratios == [-7, 7]


def test_speed_changes_pitch_and_length_together():
    at = torch.arange(8000, dtype=torch.float64) / RATE
    out = at_speed(torch.sin(2 * torch.pi * 500 * at)[None], 4000)
    assert torch.allclose(out, torch.sin(2 * torch.pi * 1000 * at[:4000])[None], atol=1e-6)


def test_a_faster_clip_ends_in_silence_or_goes_on_from_its_start():
    wave = torch.ones(8, 4000) * 0.3
    silent, repeated = (change("tempo", wave, 5, fill=fill) for fill in ("silence", "repeat"))
    assert (silent[:, -1000:] == 0).all(dim=1).any()
    assert not (repeated[:, -1000:] == 0).all(dim=1).any()


@pytest.mark.parametrize(("name", "severity", "kbps"), [("mp3", 2, 32), ("mp3", 5, 8), ("opus", 2, 24), ("opus", 5, 6)])
def test_codecs_spend_the_bits_said(monkeypatch, name, severity, kbps):
    sizes = []
    whole = soundfile.read
    monkeypatch.setattr(soundfile, "read", lambda f, **k: (sizes.append(len(f.getvalue())), whole(f, **k))[1])
    noise = torch.randn(1, 80_000, generator=torch.Generator().manual_seed(0)) * 0.1
    change(name, noise, severity, rate=16_000)
    # Headers, and Ogg's pages, come on top.
    assert kbps * 0.85 < sizes[0] * 8 / 5 / 1000 < kbps * 1.1 + 2.5


@pytest.mark.parametrize("name", ["mp3", "opus", "telephone"])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_codecs_stay_in_step_with_the_clip(name, severity):
    at = torch.arange(RATE, dtype=torch.float64) / RATE
    wave = (0.4 * torch.sin(2 * torch.pi * (400 + 400 * at) * at) * torch.exp(-4 * at)).float()[None]
    out = change(name, wave, severity)
    size = 2 * wave.shape[1]
    match = torch.fft.irfft(torch.fft.rfft(out, n=size) * torch.fft.rfft(wave, n=size).conj(), n=size)[0]
    lag = int(match.argmax())
    assert min(lag, size - lag) <= 8


def make_recordings(folder, names, rate=RATE):
    folder.mkdir()
    for number, name in enumerate(names):
        tone = 0.3 * np.sin(2 * np.pi * (500 + 1000 * number) * np.arange(rate) / rate)
        soundfile.write(folder / name, tone.astype(np.float32), rate)
    return folder


@pytest.mark.parametrize("name", ["environment", "babble"])
def test_recordings_of_a_clips_own_kind_are_left_out(tmp_path, name):
    folder = make_recordings(tmp_path / "noises", ["1-a-0.wav", "1-b-7.wav"])
    wave = torch.full((1, 4000), 1e-4)
    settings = {"folder": str(folder), "other_than": r"-(\d+)\.wav$"}
    noise = change(name, wave, 5, keys=["x-0.wav"], **settings) - wave
    assert band_share(noise, RATE, 1400, 1600) > 0.9  # the second recording's tone, the first has the clip's kind
    with pytest.raises(InputError, match="left out"):
        only = make_recordings(tmp_path / "one", ["1-a-0.wav"])
        change(name, wave, 5, keys=["x-0.wav"], **{**settings, "folder": str(only)})


def test_an_empty_folder_and_a_wrong_expression_are_refused(tmp_path):
    with pytest.raises(InputError, match="no recording"):
        ossicle.build("corruption", "environment", folder=str(tmp_path))
    make_recordings(tmp_path / "noises", ["a.wav"])
    for wrong in ("(", "no group"):
        with pytest.raises(ConfigError):
            ossicle.build("corruption", "babble", folder=str(tmp_path / "noises"), other_than=wrong)


@pytest.mark.parametrize(
    ("wave", "why"),
    [
        (torch.zeros(8), "shape"),
        (torch.zeros(1, 2, 8), "shape"),
        (torch.zeros(2, 0), "shape"),
        (torch.full((2, 8), torch.nan), "finite"),
        (torch.ones(2, 8, dtype=torch.int16), "finite"),
    ],
)
def test_what_is_no_batch_of_clips_is_refused(wave, why):
    with pytest.raises(AudioError, match=why):
        change("gain", wave, 1, keys=["a", "b"])


@pytest.mark.parametrize(
    "wrong", [{"severity": 0}, {"severity": 6}, {"severity": 2.5}, {"rate": 0}, {"keys": ["a"]}, {"keys": "ab"}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ConfigError):
        change("gain", torch.zeros(2, 8), **{"severity": 1, **wrong})


def test_an_empty_batch_stays_empty():
    assert change("reverb", torch.zeros(0, 100), 3).shape == (0, 100)


def test_active_frames_alone_make_the_level_and_protection_scales():
    word = torch.full((1, 160), 0.5)
    assert float(active_rms(torch.nn.functional.pad(word, (0, 1600)), RATE)) == pytest.approx(0.5)
    loud = torch.tensor([[0.5, -4.0]])
    assert torch.allclose(protect(loud, torch.zeros(1, 2)), loud / 4)
