"""Training: the same draws for the same seed, exact resumption, warnings, and odd data."""

import pytest
import torch
from small import CLASSES, make_network

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import CheckpointError, ConfigError
from ossicle_semisup.methods.co_training import DeepCoTraining
from ossicle_semisup.methods.fixmatch import FixMatch
from ossicle_semisup.methods.mean_teacher import MeanTeacher
from ossicle_semisup.methods.mixmatch import MixMatch
from ossicle_semisup.methods.remixmatch import ReMixMatch
from ossicle_semisup.methods.supervised import Supervised
from ossicle_semisup.monitor import GuessMonitor
from ossicle_semisup.sampler import Sampler
from ossicle_semisup.trainer import Clips, SemiTrainer, TrainingConfig

SETTINGS = LogMelSettings(
    sample_rate=8000, n_fft=256, hop_length=100, n_mels=16, n_samples=1600, mean_db=-20.0, scale_db=15.0
)
METHODS = [Supervised, MixMatch, ReMixMatch, FixMatch, MeanTeacher, DeepCoTraining]


def tones(count=32, *, silent=False):
    labels = torch.arange(count) % CLASSES
    at = torch.arange(SETTINGS.n_samples) / SETTINGS.sample_rate
    noise = 0.02 * torch.randn(count, len(at), generator=torch.Generator().manual_seed(0))
    waves = torch.sin(2 * torch.pi * (300 + 700 * labels[:, None]) * at) + noise
    waves = torch.zeros_like(waves) if silent else waves
    decibels = LogMel(SETTINGS)(waves)
    return Clips(lambda i: waves[i], decibels, labels, torch.arange(8), torch.arange(4, count))


def trainer(method=FixMatch, clips=None, **changes):
    config = TrainingConfig(**{"steps": 40, "batch_labeled": 4, "batch_unlabeled": 6, **changes})
    made = method(make_network, classes=CLASSES, seed=config.seed)
    return SemiTrainer(made, clips or tones(), LogMel(SETTINGS), config, classes=CLASSES)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_is_the_unbroken_one_to_the_bit(method, tmp_path):
    unbroken = trainer(method)
    wanted = [unbroken.step() for _ in range(6)]
    first = trainer(method)
    for _ in range(3):
        first.step()
    first.save(tmp_path / "state.pt")
    second = trainer(method)
    second.resume(tmp_path / "state.pt")
    assert [second.step() for _ in range(3)] == wanted[3:]
    for name, network in unbroken.networks().items():
        for a, b in zip(network.state_dict().values(), second.networks()[name].state_dict().values(), strict=True):
            assert torch.equal(a, b), name
    assert second.evaluate(range(8)) == unbroken.evaluate(range(8))


def test_damaged_state_is_refused(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(CheckpointError):
        trainer().resume(tmp_path / "state.pt")


def test_tones_are_learned_from_two_labels_a_class():
    made = trainer(MixMatch, steps=80, learning_rate=3e-3, ema_decay=0.9)
    losses = [made.step()["labeled"] for _ in range(80)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert made.evaluate(range(8, 32))["error_rate_ema"] < 0.3


def test_evaluation_leaves_training_as_it_was():
    one, two = trainer(), trainer()
    one.step(), two.step()
    one.evaluate(range(8))
    assert one.step() == two.step()


def test_bf16_and_plain_layout_train_too():
    for changes in ({"amp": "bf16"}, {"channels_last": False}, {"optimizer": "adam", "clip_norm": 1.0}):
        values = trainer(**changes).step()
        assert all(abs(value) < float("inf") for value in values.values())


@pytest.mark.parametrize("changes", [{"schedule": "steep"}, {"amp": "fp8"}, {"steps": 0}, {"learning_rate": 0.0}])
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(ConfigError):
        TrainingConfig(**changes)


@pytest.mark.parametrize("method", METHODS)
def test_silent_clips_give_finite_losses(method):
    made = trainer(method, tones(silent=True))
    for _ in range(3):
        assert all(abs(value) < float("inf") for value in made.step().values())


# --- the sampler


def test_every_clip_comes_once_a_pass():
    sampler = Sampler(torch.arange(10, 22), 5, seed=0, name="x")
    seen = torch.cat([sampler.batch(step) for step in range(12)])
    assert seen.view(5, 12).sort(dim=1).values.eq(torch.arange(10, 22)).all()
    assert not torch.equal(seen[:12], seen[12:24])


def test_a_batch_larger_than_the_set_holds_clips_more_than_once():
    batch = Sampler(torch.arange(3), 7, seed=0, name="x").batch(4)
    assert len(batch) == 7 and sorted(set(batch.tolist())) == [0, 1, 2]


def test_samplers_of_other_names_draw_independently():
    first, second = (Sampler(torch.arange(50), 50, seed=0, name=name).batch(0) for name in ("labeled", "labeled-2"))
    assert not torch.equal(first, second)


def test_an_empty_set_is_refused():
    with pytest.raises(ConfigError, match="labeled"):
        Sampler(torch.arange(0), 4, seed=0, name="labeled")


# --- the monitor


def sure(label, rows=10):
    return torch.nn.functional.one_hot(torch.full((rows,), label), CLASSES).float()


def test_guesses_that_never_count_are_reported_once():
    monitor = GuessMonitor(CLASSES, 1000)
    for step in range(300):
        monitor.see(step, sure(step % CLASSES), torch.zeros(10), torch.zeros(10, dtype=torch.int64))
        assert step >= 100 or not monitor.warnings
    assert len(monitor.warnings) == 1 and "1 %" in monitor.warnings[0]


def test_a_class_that_swallows_all_is_reported():
    monitor = GuessMonitor(CLASSES, 1000)
    for step in range(150):
        monitor.see(step, sure(2), None, torch.zeros(10, dtype=torch.int64))
    assert len(monitor.warnings) == 1 and "class 2" in monitor.warnings[0] and "collapsed" in monitor.warnings[0]


def test_the_table_is_of_the_last_tenth_and_of_known_labels():
    monitor = GuessMonitor(CLASSES, 100)
    labels = torch.tensor([0, 1, -1])
    for step in range(100):
        values = monitor.see(step, torch.eye(CLASSES)[:3], torch.tensor([1.0, 0.0, 1.0]), labels)
    assert values["guess_accuracy"] == 1.0
    assert monitor.table.tolist()[0] == [10, 0, 0, 0] and int(monitor.table.sum()) == 10
