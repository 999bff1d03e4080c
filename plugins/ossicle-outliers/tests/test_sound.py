"""Sound to rows to clip scores: shapes, names, golden means, and clips that are not as they should be."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.audio.classifier import load_classifier, save_classifier
from ossicle.audio.filterbank import mel_filter_bank
from ossicle.audio.log_mel import LogMelSettings
from ossicle.errors import ConfigError, InputError, NoInputError, OssicleError
from ossicle.registry import default_registry
from ossicle_outliers.sound import front_end
from ossicle_outliers.sound.analysis import build_analysis, load_wave
from ossicle_outliers.sound.machine import FAULTS, machine_sound, write_machine
from ossicle_outliers.sound.pool import lowest_rates, read_pool
from ossicle_outliers.sound.pooling import clip_scores
from ossicle_outliers.sound.settings import SoundSettings, settings_for

GOLDEN = Path(__file__).parent / "golden" / "metrics.npz"
RATE = 8000


def noise(n, seed=0):
    return 0.1 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def tone(path, hz=440.0, seconds=0.5, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate), rate)
    return path


def test_statistics_are_mean_and_deviation_of_the_bands():
    analyse = build_analysis(settings_for("statistics", [8000]))
    rows = analyse(noise(4000))
    assert rows.shape == (1, 80) and len(analyse.columns) == 80
    louder = analyse(10 * noise(4000))
    torch.testing.assert_close(louder[0, :40], rows[0, :40] + 20.0, atol=1e-3, rtol=0)
    torch.testing.assert_close(louder[0, 40:], rows[0, 40:], atol=1e-3, rtol=1e-4)


def test_frames_are_those_of_the_dcase_baseline():
    settings = settings_for("frames", [16000, 44100])
    assert (settings.sample_rate, settings.n_fft, settings.hop_length, settings.n_mels) == (16000, 1024, 512, 128)
    wave = noise(16000)
    rows = build_analysis(settings)(wave)
    padded = np.pad(wave.numpy().astype(np.float64), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    power = np.abs([np.fft.rfft(window * padded[512 * t : 512 * t + 1024]) for t in range(32)]).T ** 2
    mel = (
        mel_filter_bank(
            sample_rate=16000, n_fft=1024, n_mels=128, fmin=0.0, fmax=8000.0, scale="slaney", area_norm=True
        )
        @ power
    )
    decibels = 10 * np.log10(np.maximum(mel, 1e-10))
    expected = np.concatenate([decibels[:, t : decibels.shape[1] - 4 + t] for t in range(5)]).T
    assert rows.shape == expected.shape == (28, 640)
    np.testing.assert_allclose(rows.numpy(), expected, atol=2e-3)


def test_a_clip_of_too_few_frames_still_gives_a_row():
    for settings in (settings_for("frames", [16000]), settings_for("statistics", [16000])):
        rows = build_analysis(settings)(torch.zeros(1))
        assert rows.shape[0] == 1 and torch.isfinite(rows).all()


def test_an_embedding_is_the_mean_feature_of_a_classifiers_windows(tmp_path):
    network = default_registry().build("backbone", "audio-resnet-tiny", classes=3, seed=0)
    heard_as = LogMelSettings(sample_rate=RATE, n_fft=256, hop_length=100, n_mels=32, n_samples=2000)
    save_classifier(tmp_path, network, heard_as, ["a", "b", "c"], backbone="audio-resnet-tiny")
    analyse = build_analysis(SoundSettings(vectors="embedding"), classifier=tmp_path)
    rows = analyse(noise(4000))
    assert analyse.sample_rate == RATE and rows.shape == (1, network.n_features) == (1, len(analyse.columns))
    first, second = (analyse(part) for part in noise(4000).split(2000))
    torch.testing.assert_close(rows, (first + second) / 2)
    loaded = load_classifier(tmp_path)
    heard = loaded.front_end.standardize(loaded.front_end(noise(4000)[:2000][None]))
    torch.testing.assert_close(first, loaded.network.features(heard))
    with pytest.raises(ConfigError, match="needs a classifier"):
        build_analysis(SoundSettings(vectors="embedding"))


def test_clip_scores_are_the_golden_means():
    with np.load(GOLDEN) as golden:
        found = clip_scores(golden["frame_scores"], golden["clip_idx"], 12)
        np.testing.assert_allclose(found, golden["clip_mean"], rtol=1e-12)


@pytest.mark.parametrize("aggregate", ["mean", "max", "top"])
def test_clip_scores_equal_those_of_each_clip_alone(aggregate):
    draw = np.random.default_rng(0)
    clips = draw.permutation(np.repeat(np.arange(5), [1, 2, 10, 11, 30]))
    scores = draw.standard_normal(len(clips))
    found = clip_scores(scores, clips, 5, aggregate=aggregate, top_share=0.1)
    for clip in range(5):
        own = np.sort(scores[clips == clip])[::-1]
        count = {"mean": len(own), "max": 1, "top": -(-len(own) // 10)}[aggregate]
        assert found[clip] == pytest.approx(own[:count].mean())


def test_a_clip_without_rows_has_no_score():
    with pytest.raises(InputError, match="no row"):
        clip_scores([1.0, 2.0], [0, 2], 3)
    with pytest.raises(ConfigError, match="median"):
        clip_scores([1.0], [0], 1, aggregate="median")


def test_a_pool_goes_on_past_files_that_cannot_be_read(tmp_path):
    paths = [tone(tmp_path / f"{i}.wav") for i in range(3)]
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), RATE)
    stereo = np.stack([np.ones(900), -np.ones(900)], axis=1) * 0.2
    soundfile.write(tmp_path / "stereo.wav", stereo, 2 * RATE)
    bad = [tmp_path / f"{name}.wav" for name in ("text", "empty", "nan")]
    good = [*paths, tmp_path / "one.wav", tmp_path / "stereo.wav"]
    pool = read_pool([*bad, *good], build_analysis(settings_for("statistics", lowest_rates([*bad, *good]))))
    assert list(pool.paths) == good and set(pool.failed) == set(bad)
    assert pool.rows.shape == (5, 80) and np.isfinite(pool.rows).all()
    with pytest.raises(NoInputError, match="none of 3"):
        read_pool(bad, build_analysis(settings_for("statistics", [RATE])))
    with pytest.raises(NoInputError):
        lowest_rates(bad[:1])


def test_a_bounded_pool_takes_an_equal_share_of_every_clip(tmp_path):
    paths = [tone(tmp_path / f"{i}.wav", seconds=1 + i) for i in range(3)]
    analyse = build_analysis(settings_for("frames", [RATE]))
    pool = read_pool(paths, analyse, max_rows=30)
    assert np.bincount(pool.clips).tolist() == [10, 10, 10]
    np.testing.assert_array_equal(pool.rows, read_pool(paths, analyse, max_rows=30).rows)


def test_the_lowest_rate_of_a_pool_decides():
    assert settings_for("statistics", [44100, 8000]) == SoundSettings(
        sample_rate=8000, n_fft=512, hop_length=160, n_mels=40
    )
    assert settings_for("statistics", [48000]).sample_rate == 16000
    assert settings_for("statistics", [8000], n_mels=64, sample_rate=None).n_mels == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"vectors": "wavelets"},
        {"aggregate": "median"},
        {"top_share": 0.0},
        {"context": 0},
        {"n_mels": 0},
        {"n_fft": 511},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        SoundSettings(**wrong)


def test_settings_survive_as_plain_values():
    settings = settings_for("frames", [16000], aggregate="top")
    assert SoundSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(ConfigError, match="colour"):
        SoundSettings.from_dict({"colour": 1})


def test_sound_that_is_no_sound_is_refused():
    analyse = build_analysis(settings_for("statistics", [RATE]))
    for wave in (torch.zeros(0), torch.zeros(2, 100), torch.full((100,), float("nan"))):
        with pytest.raises(OssicleError):
            analyse(wave)


def test_long_sounds_are_analysed_piece_by_piece_with_the_same_result(monkeypatch):
    analyse, wave = settings_for("statistics", [RATE]).log_mel(), noise(RATE * 20)
    whole = analyse(wave)
    monkeypatch.setattr(front_end, "_SPECTRUM_VALUES", 10_000)
    torch.testing.assert_close(whole, analyse(wave), atol=1e-3, rtol=1e-5)


def test_every_fault_of_the_machine_is_another_sound(tmp_path):
    normal = machine_sound(0, seed=1)
    assert normal.dtype == np.float32 and normal.shape == (32000,) and np.abs(normal).max() < 1
    np.testing.assert_array_equal(normal, machine_sound(0, seed=1))
    for fault in FAULTS:
        assert not np.array_equal(normal, machine_sound(0, seed=1, fault=fault))
    with pytest.raises(ConfigError):
        machine_sound(0, seed=0, fault="fire")
    place = write_machine(tmp_path, units=1, train=2, test=8, seconds=0.2)
    assert sorted(p.name for p in (place / "test").iterdir())[0] == "anomaly_id_00_00000000.wav"
    assert len(load_wave(place / "train" / "normal_id_00_00000001.wav", 16000)) == 3200
