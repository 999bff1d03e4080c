"""The decoded corpus: whole or not there, and every sample about equally likely."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ossicle.audio import corpus
from ossicle.audio.corpus import read_corpus, write_corpus
from ossicle.errors import ConfigError, InputError


def ramp(path):
    """Utterance n holds the value n / 100 throughout and is n seconds of 100 samples long."""
    n = int(path.stem)
    return np.full(100 * n, n / 100, dtype=np.float32)


def write(folder, numbers, **options):
    return write_corpus(folder, [Path(f"{n}.wav") for n in numbers], sample_rate=100, read=ramp, **options)


@pytest.fixture
def three(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SHARD_BYTES", 500)
    return write(tmp_path / "c", [1, 2, 3])


def test_utterances_come_back(three):
    found = read_corpus(three)
    assert (len(found), found.names, found.seconds) == (3, ("1", "2", "3"), 6.0)
    for index, n in enumerate((1, 2, 3)):
        np.testing.assert_allclose(found.utterance(index), ramp(Path(f"{n}.wav")), atol=2**-15)


def test_shards_can_be_taken_in_part(three):
    assert len(list(three.glob("shard-*.npy"))) == 2
    assert read_corpus(three, limit_shards=1).names == ("1", "2")


def test_a_complete_cache_is_kept_and_another_is_written_anew(three):
    stamp = (three / "shard-000.npy").stat().st_mtime_ns
    write(three, [1, 2, 3])
    assert (three / "shard-000.npy").stat().st_mtime_ns == stamp
    write(three, [2])
    assert read_corpus(three).names == ("2",)


def test_an_interrupted_preparation_is_not_taken_for_a_whole_one(tmp_path):
    def fails(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path / "c", [Path("1.wav")], sample_rate=100, read=fails)
    with pytest.raises(InputError, match="no decoded corpus"):
        read_corpus(tmp_path / "c")


def test_another_version_is_refused(three):
    record = json.loads((three / "corpus.json").read_text())
    (three / "corpus.json").write_text(json.dumps({**record, "version": 99}))
    with pytest.raises(ConfigError, match="version"):
        read_corpus(three)


def test_segments_are_weighted_by_length_and_silent_outside(three):
    found = read_corpus(three)
    drawn = found.segments(4000, 50, overhang=0, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 50)
    share = [(drawn[:, 0] * 100).round().eq(n).float().mean().item() for n in (1, 2, 3)]
    assert share == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.03)
    hanging = found.segments(200, 400, overhang=40, generator=torch.Generator().manual_seed(0))
    assert (hanging == 0).any(dim=1).all()  # every utterance is shorter than 400 samples
    values = {round(v, 3) for v in (hanging * 100).round(decimals=2).unique().tolist()}
    assert values <= {0.0, 1.0, 2.0, 3.0, 0.99, 1.01, 2.01, 3.01, 1.99, 2.99}


def test_segments_repeat_with_their_generator(three):
    found = read_corpus(three)
    a, b, c = (found.segments(8, 30, overhang=10, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_progress_is_told(tmp_path):
    seen = []
    write(tmp_path / "c", [1, 2], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
