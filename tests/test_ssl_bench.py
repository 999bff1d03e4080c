"""The benchmark of training steps compares like with like: both ways give one loss where the draws are equal."""

import json
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchaudio")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import ssl_authors_way
import ssl_step

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.training.seeds import generator_for
from ossicle_semisup.methods.base import evaluating
from ossicle_semisup.mixing import draw_weights
from ossicle_semisup.ramps import Progress

SETTINGS = LogMelSettings(sample_rate=8000, n_fft=256, hop_length=100, n_mels=16, n_samples=1600)
METHODS = list(ssl_authors_way.WAYS)


def drawn_as_ours(method, labeled, unlabeled, draw):
    """What our methods draw for their mixtures, in their order, with one weight for each kind of rows."""
    if method not in ("mixmatch", "remixmatch"):
        return {}
    kinds = (labeled, unlabeled * (2 if method == "mixmatch" else 3))
    weights = [float(draw_weights(n, 0.75, draw, keep_first=True, per_example=False)[0]) for n in kinds]
    return {
        "weights": weights,
        "order": torch.randperm(sum(kinds), generator=draw),
        "flips": [row % 4 for row in range(unlabeled)],
    }


@pytest.mark.parametrize("method", METHODS)
def test_both_ways_give_one_loss(method):
    bench = ssl_step.Bench(method, SETTINGS, 6, "audio-resnet-tiny")
    trainer, (way, loader) = bench.ours(preset="paper"), bench.theirs()
    for network in (trainer.method.student, getattr(trainer.method, "second", trainer.method.student)):
        network.classifier.weight.data *= 10  # guesses of all sorts: some above FixMatch's threshold
    pairs = [(way.network, trainer.method.student)]
    if method == "remixmatch":
        pairs.append((way.flip_classifier, trainer.method.flip_classifier))
    if method == "mean-teacher":
        pairs.append((way.teacher, trainer.method.teacher))
    if method == "deep-co-training":
        pairs = list(zip(way.networks, [trainer.method.student, trainer.method.second], strict=True))
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
        theirs.eval()
    torch.manual_seed(0)  # the authors' way draws from the global generator
    batch = {name: value * 0.05 if value.dim() == 4 else value for name, value in loader.batch().items()}
    with evaluating(trainer.method):
        out = trainer.method.loss(batch, draw=torch.Generator().manual_seed(3), progress=Progress(1000, 1000))
    assert out.mask is None or 0 < float(out.mask.sum()) < 6
    way.ramp = float(out.metrics.get("weight", 1.0))
    loss = way.loss(batch, drawn_as_ours(method, 6, 6, torch.Generator().manual_seed(3)))
    assert float(loss.detach()) == pytest.approx(float(out.loss.detach()), abs=1e-4)


def test_both_ways_give_one_log_mel():
    bench = ssl_step.Bench("supervised", SETTINGS, 4, "audio-resnet-tiny")
    view = ssl_authors_way.Transform(SETTINGS, "weak")
    waves = bench.waves(torch.arange(4))
    theirs = torch.stack([view.decibels(view.spectrogram(wave[None]))[0] for wave in waves])
    torch.testing.assert_close(LogMel(SETTINGS)(waves), theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_both_ways_change_as_much(strength):
    bench = ssl_step.Bench("fixmatch", SETTINGS, 160, "audio-resnet-tiny")
    trainer, (_, loader) = bench.ours(), bench.theirs()
    ours = trainer.batches(0, generator_for(0, "step", 0))[0][f"unlabeled-{strength}"]
    torch.manual_seed(0)
    theirs = loader.batch()[f"unlabeled-{strength}"]
    for quiet in (-100.0, -80.0):  # occluded or padded; cut out
        shares = [float((views == quiet).float().mean()) for views in (ours, theirs)]
        assert shares[0] == pytest.approx(shares[1], rel=0.6, abs=0.01)


def test_parts_and_sides_are_measured_and_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(ssl_step.FRONT_ENDS, "16x17", SETTINGS)
    monkeypatch.setattr(ssl_step, "peak_memory", lambda *words: 1.0)
    monkeypatch.setattr(ssl_step, "keep_freed_memory", lambda: True)  # it would stay so for all other tests
    threads = torch.get_num_threads()
    for method in ("supervised", "mixmatch"):
        words = ["--sizes", "16x17", "--batch", "4", "--rounds", "1", "--network", "audio-resnet-tiny"]
        assert ssl_step.main([*words, "--methods", method, "--out", str(tmp_path / "out.json")]) == 0
    torch.set_num_threads(threads)
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["results"]["16x17"]) == {"supervised", "mixmatch"}
    row = found["results"]["16x17"]["mixmatch"]
    assert (
        row["clips_a_step"] == 8
        and row["share_of_a_core"] > 0
        and set(row["peak_memory_mib"]) == {"none", "authors", "fp32", "bf16"}
    )
    for part, sides in {"features": {"authors", "ours"}, "step": {"authors", "fp32", "bf16"}}.items():
        assert set(row[part]) == sides
    slow, fast = row["step"]["authors"], row["step"]["bf16"]
    assert fast["times_authors"] == pytest.approx(slow["median_s"] / fast["median_s"])
