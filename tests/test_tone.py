"""The tone detector finds planted lines, names them, and leaves real sound alone."""

import numpy as np
import pytest

from ossicle.audio.quality.tone import ToneDetector
from ossicle.errors import AudioError

RATE, HOP = 22050, 256


def noise(seconds=20, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def tone_of(reference, estimate):
    detector = ToneDetector(RATE, HOP)
    detector.add(reference, estimate)
    return detector.result()


def line(hz, amplitude, count):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(count) / RATE)).astype(np.float32)


def test_noise_has_no_tone():
    assert not tone_of(noise(), noise(seed=1)).found


@pytest.mark.parametrize("hz", [RATE / 4, RATE / HOP * 3, RATE / HOP * 40, RATE / HOP * 100])
def test_a_faint_line_is_found_where_it_is(hz):
    wave = noise()
    tone = tone_of(wave, wave + line(hz, 0.01, len(wave)))
    assert tone.found and tone.hz == pytest.approx(hz, abs=RATE / 4096)


def test_a_line_of_the_original_is_not_held_against_the_estimate():
    wave = noise()
    both = wave + line(RATE / 4, 0.02, len(wave))
    assert not tone_of(both, both).found


def test_noise_that_starts_anew_with_every_frame_is_a_tone():
    frame = noise(1)[:HOP]
    assert tone_of(noise(), np.tile(frame, 20 * RATE // HOP)).found


def voice(phases):
    t = np.arange(20 * RATE) / RATE
    glide = 2 * np.pi * np.cumsum(150 + 40 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    return sum(np.sin(k * glide + phases[k]) / k for k in range(1, 30)).astype(np.float32)


def test_gliding_harmonics_are_no_tone():
    draw = np.random.default_rng(0)
    assert not tone_of(voice(draw.uniform(0, 6, 30)), voice(draw.uniform(0, 6, 30))).found


def test_too_little_sound_is_said():
    for samples in (np.zeros(100, np.float32), np.zeros(RATE, np.float32)):
        with pytest.raises(AudioError, match="too little sound"):
            tone_of(samples, samples)
