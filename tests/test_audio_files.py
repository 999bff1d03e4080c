"""Sound files: what goes in comes out, and what is wrong is named."""

import numpy as np
import pytest
import soundfile

from ossicle.audio.files import blocks, decode, encode, info, read, write
from ossicle.errors import AudioError

RATE = 22050


def wave(n=RATE, channels=1):
    t = np.arange(n) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * (220 + 110 * c) * t) for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        (".wav", "PCM_16", 2**-15),
        (".wav", "PCM_24", 2**-22),
        (".wav", "PCM_32", 2**-24),
        (".wav", "FLOAT", 0.0),
        (".wav", "DOUBLE", 0.0),
        (".wav", "PCM_U8", 2**-6),
        (".flac", "PCM_16", 2**-15),
        (".flac", "PCM_24", 2**-22),
        (".ogg", None, 0.1),
        (".mp3", None, 0.1),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_and_subtypes(tmp_path, suffix, subtype, tolerance, channels):
    path = tmp_path / f"a{suffix}"
    write(path, wave(channels=channels), RATE, subtype=subtype)
    clip = read(path)
    assert clip.sample_rate == RATE and clip.samples.dtype == np.float32 and clip.samples.shape[0] == channels
    if suffix == ".mp3":
        assert abs(clip.samples.shape[1] - RATE) < 3000  # the format pads
    else:
        np.testing.assert_allclose(clip.samples, wave(channels=channels), atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000, 192000])
def test_rates_are_kept(tmp_path, rate):
    write(tmp_path / "a.wav", wave(), rate)
    assert info(tmp_path / "a.wav").sample_rate == rate
    assert read(tmp_path / "a.wav").seconds == pytest.approx(RATE / rate)


def test_sixteen_bits_survive_exactly(tmp_path):
    every = np.arange(-32768, 32768, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", every, RATE, subtype="PCM_16")
    write(tmp_path / "b.wav", read(tmp_path / "a.wav").samples, RATE, subtype="PCM_16")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], every)


def test_channels_are_mixed_on_request_only(tmp_path):
    write(tmp_path / "a.wav", wave(channels=2), RATE, subtype="FLOAT")
    assert read(tmp_path / "a.wav").samples.shape[0] == 2
    np.testing.assert_allclose(read(tmp_path / "a.wav", mono=True).samples[0], wave(channels=2).mean(0), atol=1e-7)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_too_loud_is_clipped_and_counted_never_wrapped(tmp_path, subtype):
    loud = np.array([0.5, 1.0, 1.5, -1.0, -3.0], dtype=np.float32)
    report = write(tmp_path / "a.wav", loud, RATE, subtype=subtype)
    assert (report.clipped, report.peak) == (2, 3.0)
    np.testing.assert_allclose(read(tmp_path / "a.wav").samples[0], [0.5, 1.0, 1.0, -1.0, -1.0], atol=4e-5)


@pytest.mark.parametrize(
    "samples", [np.array([0.0, np.nan]), np.array([np.inf]), np.zeros(0), np.zeros((2, 0)), np.zeros((1, 1, 4))]
)
def test_what_cannot_be_written_is_refused_and_leaves_no_file(tmp_path, samples):
    with pytest.raises(AudioError):
        write(tmp_path / "a.wav", samples, RATE)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    write(path, wave(), RATE)
    before = path.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(path, wave() * 0.5, RATE)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.m4a"])
def test_unknown_formats_are_refused_on_writing(tmp_path, name):
    with pytest.raises(AudioError, match="cannot write") as caught:
        write(tmp_path / name, wave(), RATE)
    assert ".flac" in caught.value.hint


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG"])
def test_bytes_go_round(format):
    data, report = encode(wave(channels=2), RATE, format=format)
    assert report.clipped == 0
    assert decode(data).samples.shape == (2, RATE)


def test_half_a_wav_is_refused_unless_asked_for(tmp_path):
    write(tmp_path / "whole.wav", wave(), RATE)
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "half.wav").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="cut off") as caught:
        read(tmp_path / "half.wav")
    assert str(RATE) in caught.value.why
    assert read(tmp_path / "half.wav", allow_truncated=True).samples.shape[1] == pytest.approx(RATE / 2, abs=30)
    with pytest.raises(AudioError, match="cut off"):
        decode(data[: len(data) // 2])
    with pytest.raises(AudioError, match="cut off"):
        list(blocks(tmp_path / "half.wav", block_frames=1000))


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_half_of_another_format_is_refused(tmp_path, suffix):
    write(tmp_path / f"whole{suffix}", wave(10 * RATE), RATE)
    data = (tmp_path / f"whole{suffix}").read_bytes()
    (tmp_path / f"half{suffix}").write_bytes(data[: len(data) // 2])
    try:
        clip = read(tmp_path / f"half{suffix}")
    except AudioError:
        return
    # Ogg declares no length up front: what is there is a whole, shorter file.
    assert suffix == ".ogg" and clip.seconds < 10


def test_a_wav_from_a_pipe_has_no_length_and_is_read_to_its_end(tmp_path):
    data = bytearray(encode(wave(), RATE)[0])
    position = data.index(b"data") + 4
    data[position : position + 4] = b"\xff\xff\xff\xff"
    data[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "piped.wav").write_bytes(bytes(data))
    assert read(tmp_path / "piped.wav").samples.shape[1] == RATE


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"just text", "not a sound file"), (b"RIFF\0\0\0\0WAVE", "not a sound file")],
)
def test_what_is_no_sound_is_named(tmp_path, content, words):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=words):
        read(tmp_path / "a.wav")


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(AudioError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(AudioError, match="does not exist"):
        read(tmp_path / "no.wav")


def test_nan_in_a_file_is_located(tmp_path):
    samples = wave()[0].copy()
    samples[[700, 900]] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers") as caught:
        read(tmp_path / "a.wav")
    assert "2 are" in caught.value.why and "700" in caught.value.why
    with pytest.raises(AudioError) as caught:
        list(blocks(tmp_path / "a.wav", block_frames=500))
    assert "700" in caught.value.why


@pytest.mark.parametrize("block_frames", [1, 999, 10**6])
def test_blocks_are_the_whole(tmp_path, block_frames):
    write(tmp_path / "a.wav", wave(3000, channels=2), RATE)
    parts = list(blocks(tmp_path / "a.wav", block_frames=block_frames))
    assert all(part.shape[1] <= block_frames for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), read(tmp_path / "a.wav").samples)


def test_excerpts(tmp_path):
    write(tmp_path / "a.wav", wave(), RATE)
    whole = read(tmp_path / "a.wav").samples
    np.testing.assert_array_equal(read(tmp_path / "a.wav", start=100, frames=50).samples, whole[:, 100:150])
    with pytest.raises(AudioError, match="none at"):
        read(tmp_path / "a.wav", start=RATE)


def test_one_sample(tmp_path):
    write(tmp_path / "a.wav", np.array([0.25], dtype=np.float32), RATE)
    assert read(tmp_path / "a.wav").samples.tolist() == [[0.25]]
