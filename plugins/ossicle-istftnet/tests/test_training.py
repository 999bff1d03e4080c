"""Training repeats itself exactly, resumed or not, and the recipes run from data to voice."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.audio.corpus import read_corpus, write_corpus
from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError
from ossicle_istftnet.config import GeneratorConfig
from ossicle_istftnet.training import Trainer, TrainingConfig

REPOSITORY = Path(__file__).parents[3]
GENERATOR = GeneratorConfig(upsample_initial_channel=16, resblock_kernel_sizes=(3,), resblock_dilation_sizes=((1, 3),))
CONFIG = TrainingConfig(
    steps=6, warmup_steps=3, batch_size=2, segment_frames=32, spectral_weight=1.0, period_width=2, scale_width=16
)


def voice(seconds, seed):
    draw = np.random.default_rng(seed)
    t = np.arange(int(seconds * 22050)) / 22050
    return (0.3 * np.sin(2 * np.pi * 150 * (1 + seed % 3) * t) + 0.01 * draw.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    files = [Path(f"{i}.wav") for i in range(3)]
    write_corpus(folder, files, sample_rate=22050, read=lambda path: voice(1.0, int(path.stem)))
    return read_corpus(folder)


def trainer(corpus, config=CONFIG):
    return Trainer(GENERATOR, MelSettings.hifigan(), config, corpus)


def test_the_loss_falls(corpus):
    config = TrainingConfig(
        steps=40,
        warmup_steps=40,
        batch_size=2,
        segment_frames=32,
        learning_rate=5e-3,
        spectral_weight=1.0,
        period_width=2,
        scale_width=16,
    )
    learner = trainer(corpus, config)
    losses = [learner.step()["total"] for _ in range(40)]
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(corpus, tmp_path):
    unbroken = trainer(corpus)
    expected = [unbroken.step() for _ in range(6)]
    assert "discriminator" not in expected[2] and "discriminator" in expected[3]
    first = trainer(corpus)
    for _ in range(4):
        first.step()
    first.save(tmp_path / "state.pt")
    second = trainer(corpus)
    second.resume(tmp_path / "state.pt")
    assert [second.step() for _ in range(2)] == expected[4:]
    for a, b in zip(second.shipped_state().values(), unbroken.shipped_state().values(), strict=True):
        assert torch.equal(a, b)


def test_the_shipped_weights_are_the_folded_average(corpus):
    learner = trainer(corpus)
    learner.step()
    mel = torch.full((1, 80, 5), -5.0)
    from ossicle_istftnet.generator import Generator

    folded = Generator(GENERATOR)
    folded.load_state_dict(learner.shipped_state())
    with torch.no_grad():
        torch.testing.assert_close(folded(mel), learner.average.module(mel), atol=1e-6, rtol=1e-5)


def test_configurations_that_do_not_fit_are_refused(corpus):
    with pytest.raises(ConfigError, match="samples a frame"):
        Trainer(GENERATOR, MelSettings.hifigan(hop_length=128), CONFIG, corpus)
    with pytest.raises(ConfigError, match="24000 Hz"):
        Trainer(GENERATOR, MelSettings.hifigan(sample_rate=24000), CONFIG, corpus)
    with pytest.raises(ConfigError, match="amp"):
        TrainingConfig(amp="fp8")


def write_kerstin(folder):
    (folder / "audio").mkdir(parents=True)
    for part, count in (("train", 3), ("valid", 1)):
        names = [f"{part}-{i}.flac" for i in range(count)]
        for i, name in enumerate(names):
            soundfile.write(folder / "audio" / name, voice(1.0, i), 22050)
        (folder / f"{part}.csv").write_text("".join(f"{name}|ein Satz\n" for name in names))


def write_ljspeech(folder):
    (folder / "wavs").mkdir(parents=True)
    for i in range(4):
        soundfile.write(folder / "wavs" / f"LJ-{i}.wav", voice(1.0, i), 22050)
    (folder / "metadata.csv").write_text("".join(f"LJ-{i}|a sentence|a sentence\n" for i in range(4)))


def run_recipe(name, *arguments):
    script = REPOSITORY / "recipes" / name / "run.py"
    return subprocess.run([sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.parametrize(("name", "write"), [("kerstin/vocoder", write_kerstin), ("ljspeech/vocoder", write_ljspeech)])
def test_a_recipe_goes_from_data_to_a_voice_and_resumes(name, write, tmp_path):
    write(tmp_path / "data")
    base = ("--smoke", "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--threads", 1)
    done = run_recipe(name, *base, "--data", tmp_path / "data", "--set", "training.steps=4", "--minutes", 0)
    assert done.returncode == 0, done.stderr
    # A second call without the data: the cache is enough.
    done = run_recipe(name, *base, "--resume")
    assert done.returncode == 0, done.stderr
    assert "resumed at step 1" in done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["finished"] and summary["steps"] == 4
    import ossicle

    speak = ossicle.build("vocoder", "istftnet", checkpoint=done.stdout.strip())
    assert speak(torch.full((1, 80, 4), -6.0)).shape == (1, 1024)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "mel" in line] == [1, 2, 3, 4]
    samples = {str(path.relative_to(tmp_path / "run" / "samples")) for path in tmp_path.glob("run/samples/*/*.flac")}
    assert {"original/held-out-1.flac", "step-0000001/held-out-1.flac", "step-0000004/held-out-1.flac"} <= samples
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "step-0000004" in page and "step-0000001" not in page and page.count("<audio") == 2 * len(samples) // 3
    # An unwanted second run into the same folder is refused, and so is a folder without data.
    assert run_recipe(name, *base).returncode == 2
    missing = run_recipe(name, "--smoke", "--out", tmp_path / "other", "--cache", tmp_path / "empty")
    assert missing.returncode == 3 and "--data" in missing.stderr


def test_training_starts_from_a_public_checkpoint(corpus, tmp_path):
    from ossicle_istftnet.recipe import load_initial
    from ossicle_istftnet.vocoder import ISTFTNetVocoder

    speak = ISTFTNetVocoder.from_config(GENERATOR, MelSettings.hifigan(), seed=5)
    torch.save({"generator": speak.generator.state_dict()}, tmp_path / "g_1")
    speak.save(tmp_path / "model")
    for path in (tmp_path / "g_1", tmp_path / "model"):
        initial = load_initial(path, GENERATOR)
        learner = Trainer(GENERATOR, MelSettings.hifigan(), CONFIG, corpus, initial=initial)
        mel = torch.full((1, 80, 4), -6.0)
        with torch.no_grad():
            torch.testing.assert_close(learner.generator(mel), speak(mel), atol=1e-6, rtol=1e-5)


def test_a_widened_run_sounds_nearly_like_the_one_it_comes_from():
    from dataclasses import replace

    from ossicle_istftnet.generator import Generator
    from ossicle_istftnet.widening import widen_state

    sine = Generator(GENERATOR).add_weight_norm()
    wide = Generator(replace(GENERATOR, phase="full")).add_weight_norm()
    optimizer = torch.optim.AdamW(sine.parameters())
    sine(torch.randn(1, 80, 8)).sum().backward()
    optimizer.step()
    state = {
        "generator": sine.state_dict(),
        "average": sine.state_dict(),
        "generator_optimizer": optimizer.state_dict(),
    }
    widened = widen_state(state, seed=0)
    wide.load_state_dict(widened["generator"])
    other = torch.optim.AdamW(wide.parameters())
    other.load_state_dict(widened["generator_optimizer"])
    mel = torch.randn(1, 80, 8)
    with torch.no_grad():
        before, after = sine(mel), wide(mel)
    assert float((before - after).square().mean()) < 0.05 * float(before.square().mean())
    # The moments fit, so that the next step can be taken.
    wide(mel).sum().backward()
    other.step()


def test_the_lock_loss_hears_noise_that_starts_anew_with_every_frame():
    from ossicle_istftnet.losses import frame_lock_loss

    draw = torch.Generator().manual_seed(0)
    noise, other = (torch.randn(4, 64 * 256, generator=draw) for _ in range(2))
    locked = torch.randn(4, 256, generator=draw).repeat(1, 64)
    assert frame_lock_loss(noise, other, 256) < 0.12 < 0.6 < frame_lock_loss(noise, locked, 256)
    half = 0.7 * locked + 0.7 * other
    assert 0.2 < frame_lock_loss(noise, half, 256) < 0.6
    assert frame_lock_loss(noise, noise, 256) < 0.002
