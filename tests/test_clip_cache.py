"""Clips decoded once: right samples, resumption after a kill, changed and corrupt files, many processes, many data sets."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch

from ossicle.audio import clip_cache
from ossicle.audio.clip_cache import prepare_clips
from ossicle.errors import InputError

RATE, LENGTH = 8000, 800


def write(path, value, samples=LENGTH, rate=RATE, channels=1):
    """Write a clip that holds one value throughout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((samples, channels), value / 100), rate, subtype="PCM_16")
    return path


@pytest.fixture
def clips(tmp_path):
    return [write(tmp_path / "data" / f"{n}.wav", n) for n in range(6)]


@pytest.fixture
def decoded(monkeypatch):
    """Which files are decoded, in order."""
    seen, real = [], clip_cache.read

    def counting(file, **options):
        seen.append(int(file.stem))
        return real(file, **options)

    monkeypatch.setattr(clip_cache, "read", counting)
    return seen


def prepare(folder, files, **more):
    return prepare_clips(folder, files, **{"sample_rate": RATE, "n_samples": LENGTH, **more})


def values(cache):
    """What each clip holds."""
    return [round(100 * float(v)) for v in cache.waves(torch.arange(len(cache.samples)))[:, LENGTH // 2]]


def test_clips_come_back_in_any_order(tmp_path, clips):
    cache = prepare(tmp_path / "cache", clips)
    assert values(cache) == list(range(6)) and not cache.failed and cache.sample_rate == RATE
    waves = cache.waves(torch.tensor([4, 1, 4]))
    assert waves.dtype == torch.float32 and waves.shape == (3, LENGTH)
    assert waves[:, 0].tolist() == pytest.approx([0.04, 0.01, 0.04], abs=2**-15)


def test_length_rate_and_channels_are_made_equal(tmp_path):
    short = write(tmp_path / "1.wav", 10, samples=300)
    long = write(tmp_path / "2.wav", 20, samples=5000)
    fast = write(tmp_path / "3.wav", 30, samples=4 * LENGTH, rate=4 * RATE)
    stereo = tmp_path / "4.wav"
    soundfile.write(stereo, np.tile([0.5, 0.3], (LENGTH, 1)), RATE, subtype="PCM_16")
    waves = prepare(tmp_path / "cache", [short, long, fast, stereo]).waves(torch.arange(4))
    assert waves[0, 299] == pytest.approx(0.1, abs=1e-4) and not waves[0, 300:].any()
    assert waves[1].sub(0.2).abs().max() < 1e-4
    assert waves[2, 50:-50].sub(0.3).abs().max() < 1e-3
    assert waves[3].sub(0.4).abs().max() < 1e-4


def test_what_is_full_scale_does_not_wrap(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([1.5, -1.5, 1.0, -1.0]), RATE, subtype="FLOAT")
    wave = prepare(tmp_path / "cache", [path]).waves(torch.tensor([0]))[0, :4]
    assert wave.tolist() == pytest.approx([1, -1, 1, -1], abs=2**-15)


def test_nothing_is_decoded_twice(tmp_path, clips, decoded):
    prepare(tmp_path / "cache", clips)
    again = prepare(tmp_path / "cache", clips)
    assert decoded == [0, 1, 2, 3, 4, 5] and values(again) == list(range(6))


def test_a_changed_file_is_decoded_again_and_it_alone(tmp_path, clips, decoded):
    prepare(tmp_path / "cache", clips)
    write(clips[3], 50, samples=LENGTH - 1)
    decoded.clear()
    assert values(prepare(tmp_path / "cache", clips)) == [0, 1, 2, 50, 4, 5] and decoded == [3]


def test_another_length_or_rate_or_list_has_samples_of_its_own(tmp_path, clips):
    first = prepare(tmp_path / "cache", clips)
    prepare(tmp_path / "cache", clips, n_samples=2 * LENGTH)
    prepare(tmp_path / "cache", clips, sample_rate=2 * RATE)
    backwards = prepare(tmp_path / "cache", clips[::-1])
    other = prepare(tmp_path / "cache", [write(tmp_path / "other" / f"{n}.wav", 60 + n) for n in range(6)])
    assert values(first) == values(prepare(tmp_path / "cache", clips)) == list(range(6))
    assert values(backwards) == list(range(6))[::-1] and values(other) == list(range(60, 66))


def test_a_corrupt_file_is_left_out_and_named_and_mended(tmp_path, clips, decoded):
    clips[2].write_bytes(b"RIFF nothing more")
    clips[4].unlink()
    cache = prepare(tmp_path / "cache", clips)
    assert set(cache.failed) == {2, 4} and "2.wav" in cache.failed[2] and "does not exist" in cache.failed[4]
    assert not cache.waves(torch.tensor([2, 4])).any()
    decoded.clear()
    assert prepare(tmp_path / "cache", clips).failed == cache.failed and decoded == []
    write(clips[2], 2)
    write(clips[4], 4)
    mended = prepare(tmp_path / "cache", clips)
    assert not mended.failed and values(mended) == list(range(6)) and decoded == [2, 4]


def test_a_sound_with_values_that_are_not_numbers_is_left_out(tmp_path, clips):
    soundfile.write(clips[1], np.array([0.1, np.nan, 0.1]), RATE, subtype="FLOAT")
    assert "not numbers" in prepare(tmp_path / "cache", clips).failed[1]


def test_a_sound_too_loud_to_be_resampled_is_left_out(tmp_path, clips):
    soundfile.write(clips[1], np.resize([3e38, 3e38, -3e38], 400), 4 * RATE, subtype="FLOAT")
    assert "too loud" in prepare(tmp_path / "cache", clips).failed[1]


def test_nothing_usable_is_an_error(tmp_path, clips):
    for clip in clips:
        clip.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(InputError, match="none of the clips"):
            prepare(tmp_path / "cache", clips)
    with pytest.raises(InputError, match="no clips"):
        prepare(tmp_path / "cache", [])


def test_an_interruption_keeps_what_is_done(tmp_path, clips, decoded, monkeypatch):
    monkeypatch.setattr(clip_cache, "_SAVE_EVERY_S", -1.0)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "cache", clips, progress=stop)
    decoded.clear()
    assert values(prepare(tmp_path / "cache", clips)) == list(range(6)) and decoded == [3, 4, 5]


def test_progress_ends_at_all_files(tmp_path, clips):
    seen = []
    prepare(tmp_path / "cache", clips, progress=lambda *counts: seen.append(counts))
    assert seen == [(n, 6) for n in range(1, 7)]


CHILD = """
import sys, time
from pathlib import Path
from ossicle.audio import clip_cache
clip_cache._SAVE_EVERY_S = 0.0
files = sorted(Path(sys.argv[1]).glob("data/*.wav"))
clip_cache.prepare_clips(
    Path(sys.argv[1]) / "cache", files, sample_rate=8000, n_samples=800, progress=lambda *_: time.sleep(0.3)
)
"""


def test_after_a_kill_it_goes_on(tmp_path, clips, decoded):
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("cache/*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert values(prepare(tmp_path / "cache", clips)) == list(range(6))
    assert 0 < len(decoded) < 6 and not list(tmp_path.glob("cache/*.part"))


def test_those_that_start_together_do_not_disturb_each_other(tmp_path, clips, decoded):
    with ThreadPoolExecutor(4) as pool:
        caches = list(pool.map(lambda _: prepare(tmp_path / "cache", clips), range(4)))
    assert [values(cache) for cache in caches] == [list(range(6))] * 4
    assert sorted(decoded) == list(range(6))


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"\xff\xfe\x00", b'{"decoded": [], "failed": {}}', b'{"decoded": 3, "failed": {"x": 1}}'],
)
def test_a_damaged_index_is_made_anew(tmp_path, clips, decoded, damage):
    prepare(tmp_path / "cache", clips)
    (index,) = tmp_path.glob("cache/*.json")
    index.write_bytes(damage)
    decoded.clear()
    assert values(prepare(tmp_path / "cache", clips)) == list(range(6)) and len(decoded) == 6


@pytest.mark.parametrize("size", [0, 100, None])
def test_samples_that_were_cut_off_or_lost_are_made_anew(tmp_path, clips, decoded, size):
    prepare(tmp_path / "cache", clips)
    (samples,) = tmp_path.glob("cache/*.int16")
    if size is None:
        samples.unlink()
    else:
        os.truncate(samples, size)
    decoded.clear()
    assert values(prepare(tmp_path / "cache", clips)) == list(range(6)) and len(decoded) == 6
