"""The voice that ships inside speaks, and its card says what was measured."""

import subprocess
import sys
from pathlib import Path

import torch

import ossicle
from ossicle.audio.files import read
from ossicle.audio.quality import mel_l1, pesq_wb
from ossicle_istftnet.doctor import shipped_voice
from ossicle_istftnet.vocoder import ISTFTNetVocoder

ROOT = Path(__file__).parents[3]


def test_it_is_the_compact_generator():
    speak = ossicle.build("vocoder", "istftnet", checkpoint=None, config=None)
    assert isinstance(speak, ISTFTNetVocoder) and speak.name == "kerstin-v2"
    assert (speak.sample_rate, speak.hop_length, speak.n_mels) == (22050, 256, 80)
    assert 0.88e6 < sum(p.numel() for p in speak.generator.parameters()) < 0.9e6


def test_it_speaks_a_sentence_it_was_not_trained_on():
    speak = ISTFTNetVocoder()
    wave = torch.from_numpy(read(ROOT / "examples" / "speech.flac").samples)
    wave = wave[:, : wave.shape[1] // 256 * 256]
    made = speak(speak.mel(wave))
    assert made.shape == wave.shape
    original, estimate = wave[0].numpy(), made[0].numpy()
    assert pesq_wb(original, estimate, 22050)["pesq_wb"] > 1.8
    assert mel_l1(original, estimate, 22050)["mel_l1"] < 0.35


def test_silence_stays_quiet():
    speak = ISTFTNetVocoder()
    assert float(speak(speak.mel(torch.zeros(1, 22050))).abs().max()) < 0.01


def test_doctor_finds_it_well():
    assert shipped_voice().status == "ok"


def test_the_card_and_the_table_are_what_the_results_say():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "model_card.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
