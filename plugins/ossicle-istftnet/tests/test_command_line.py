"""`ossicle vocode` with the shipped voice: long inputs, pipes, types and many workers."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
import torch

import ossicle
from ossicle.cli.app import main

RATE = 22050
OSSICLE = [sys.executable, "-m", "ossicle"]


def speech(seconds, rate=RATE, seed=0):
    """A gliding tone with noise and pauses."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(t))
    return (0.3 * np.sin(2 * np.pi * (200 + 30 * np.sin(3 * t)) * t) * (np.sin(2 * t) > -0.5) + noise).astype(
        np.float32
    )


def mels(frames):
    return (torch.randn(80, frames, generator=torch.Generator().manual_seed(0)) - 6).numpy()


@pytest.fixture(scope="module")
def voice():
    return ossicle.build("vocoder", "istftnet")


@pytest.mark.parametrize(("rate", "channels", "mono"), [(RATE, 1, False), (RATE, 2, False), (16000, 2, True)])
def test_a_long_sound_goes_block_by_block_with_the_same_samples(tmp_path, monkeypatch, rate, channels, mono):
    sound = np.stack([speech(7, rate, seed) for seed in range(channels)], 1)
    soundfile.write(tmp_path / "in.wav", sound, rate, subtype="FLOAT")
    options = ["--subtype", "FLOAT", *(["--mono"] if mono else [])]
    assert main(["vocode", str(tmp_path / "in.wav"), "-o", str(tmp_path / "whole.wav"), *options]) == 0
    monkeypatch.setattr("ossicle.cli.long_input._LONG_S", 1.0)
    assert main(["vocode", str(tmp_path / "in.wav"), "-o", str(tmp_path / "blocks.wav"), *options]) == 0
    whole, blocks = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("whole.wav", "blocks.wav"))
    assert whole.shape == blocks.shape
    # Resampling in blocks rounds differently by parts in a million; so does each stage after it.
    np.testing.assert_allclose(blocks, whole, atol=2e-5 if rate == RATE else 1e-3)


@pytest.mark.parametrize("frames", [1, 16, 300])
def test_chunks_of_a_mel_file_equal_one_call(tmp_path, voice, frames):
    np.save(tmp_path / "in.npy", mels(120))
    argv = ["vocode", str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.wav"), "--subtype", "FLOAT"]
    assert main([*argv, "--chunk-frames", str(frames)]) == 0
    found = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    expected = voice(torch.from_numpy(mels(120))[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=3e-6 * max(1, abs(expected).max()))


def test_a_pipe_of_mels_becomes_a_pipe_of_samples(voice):
    data = np.ascontiguousarray(mels(50).T, "<f4").tobytes()
    done = subprocess.run(
        [*OSSICLE, "vocode", "-", "-o", "-", "--raw"], input=data, capture_output=True, check=True, timeout=120
    )
    found = np.frombuffer(done.stdout, "<f4")
    expected = voice(torch.from_numpy(mels(50))[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=3e-6 * max(1, abs(expected).max()))
    assert b"latency: 13 frames, 151 ms" in done.stderr


def test_a_live_pipe_gives_samples_before_its_end(voice):
    process = subprocess.Popen([*OSSICLE, "vocode", "-", "-o", "-", "--raw"], stdin=-1, stdout=-1, stderr=-1)
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        process.stdin.write(np.ascontiguousarray(mels(40).T, "<f4").tobytes())
        process.stdin.flush()
        early = process.stdout.read(4 * 20 * voice.hop_length)
        assert len(early) == 4 * 20 * voice.hop_length, "nothing came while the pipe was open"
        rest, _ = process.communicate(timeout=60)
    finally:
        killer.cancel()
        process.kill()
    assert len(early) + len(rest) == 4 * 40 * voice.hop_length


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "empty"), (b"\0" * 323, "within a frame"), (b"\0\0\xc0\x7f" * 80, "NaN")]
)
def test_bad_pipes_are_refused(tmp_path, capsys, data, words):
    (tmp_path / "in.raw").write_bytes(data)
    code = main(["vocode", str(tmp_path / "in.raw"), "-o", str(tmp_path / "out.f32"), "--raw"])
    assert code == 4
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.f32").exists()


def test_a_narrow_type_says_how_far_it_is_from_float32(tmp_path, capsys, voice):
    from ossicle_istftnet.engines import dtypes_on

    for dtype in dtypes_on(torch.device("cpu"))[1:]:
        np.save(tmp_path / "in.npy", mels(30))
        assert main(["vocode", str(tmp_path / "in.npy"), "-o", str(tmp_path / f"{dtype}.wav"), "--dtype", dtype]) == 0
        assert "dB signal-to-noise ratio against float32" in capsys.readouterr().err


def test_bad_options_are_named(tmp_path, capsys):
    np.save(tmp_path / "in.npy", mels(3))
    for extra, words in (
        (["--chunk-frames", "0"], "at least one frame"),
        (["--workers", "0"], "at least one"),
        (["--raw", "--mono"], "--raw goes without"),
        (["--chunk-frames", "8", "--vocoder", "griffin-lim"], "cannot go chunk by chunk"),
    ):
        assert main(["vocode", str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.wav"), *extra]) == 2
        assert words in capsys.readouterr().err


def test_workers_do_a_folder_and_survive_the_death_of_one(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(6):
        soundfile.write(tmp_path / "in" / f"{index}.wav", speech(12, seed=index), RATE)
    process = subprocess.Popen(
        [*OSSICLE, "vocode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--workers", "2"], stderr=-1
    )
    killed = False
    for _ in range(1200):
        if any((tmp_path / "out").glob("*.wav")) and not killed:
            children = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True)
            if pids := children.stdout.split():
                os.kill(int(pids[0]), 9)
                killed = True
        if process.poll() is not None:
            break
        time.sleep(0.1)
    _, err = process.communicate(timeout=60)
    assert killed and process.returncode == 0, err
    assert [soundfile.info(tmp_path / "out" / f"{i}.wav").frames for i in range(6)] == [12 * RATE] * 6
    assert not list((tmp_path / "out").glob("*.part"))
    # Run again, nothing is done twice.
    again = subprocess.run(
        [*OSSICLE, "vocode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--workers", "2"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert b"6 kept" in again.stderr


def test_memory_does_not_grow_with_the_sound(tmp_path):
    script = (
        "import resource, sys; from ossicle.cli.app import main; code = main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )

    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.tile(speech(10), seconds // 10), RATE)
        done = subprocess.run(
            [sys.executable, "-c", script, "vocode", str(path), "-o", str(tmp_path / "out.wav"), "--force"],
            capture_output=True, check=True,
        )  # fmt: skip
        return int(done.stdout.split()[-1])

    assert peak(300) < 1.1 * peak(70)
