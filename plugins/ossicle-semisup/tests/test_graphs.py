"""The recorded step, its graph replaced by one that merely calls: the same losses as the plain trainer, in every method."""

import pytest
import torch
from small import CLASSES, make_network
from test_trainer import METHODS, SETTINGS, tones

from ossicle.audio.log_mel import LogMel
from ossicle.errors import ConfigError
from ossicle.training.distributed import Ranks
from ossicle_semisup.augmentation import CutOut, Noise, Occlusion, SpecAugment, Stretch
from ossicle_semisup.augmentation_plan import apply_plan, draw_plan
from ossicle_semisup.graphs import GraphedTrainer
from ossicle_semisup.methods.fixmatch import FixMatch
from ossicle_semisup.methods.mean_teacher import MeanTeacher
from ossicle_semisup.methods.mixmatch import MixMatch
from ossicle_semisup.methods.supervised import Supervised
from ossicle_semisup.pools import Pool, augmented, weak_pool
from ossicle_semisup.static_inputs import StaticInputs
from ossicle_semisup.trainer import SemiTrainer, TrainingConfig

VARIANTS = [
    *[(method, {}) for method in METHODS],
    (FixMatch, {"threshold": 0.3, "mixing": "union"}),
    (FixMatch, {"threshold": 0.3, "mixing": "paper"}),
    (MeanTeacher, {"mixing": "interpolate", "statistics": "average"}),
    (Supervised, {"mixup_alpha": 0.4}),
]


def called(call):
    """Stand in for a graph."""
    return call


def made(kind, method=FixMatch, *, clips=None, pools=None, settings=None, **more):
    changes = {"steps": 20, "batch_labeled": 4, "batch_unlabeled": 6, **(settings or {})}
    built = method(make_network, classes=CLASSES, **changes.pop("method", {}))
    config = TrainingConfig(**changes)
    return kind(built, clips or tones(), LogMel(SETTINGS), config, classes=CLASSES, pools=pools, **more)


def same_steps(plain, graphed, count=5):
    for _ in range(count):
        wanted, found = plain.step(), graphed.step()
        assert found == pytest.approx(wanted, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize(("method", "settings"), VARIANTS)
def test_the_losses_are_those_of_the_plain_trainer(method, settings):
    plain = made(SemiTrainer, method, settings={"method": settings})
    graphed = made(GraphedTrainer, method, settings={"method": settings}, record=called)
    same_steps(plain, graphed)
    assert torch.equal(plain.monitor.table, graphed.monitor.table)
    for name, network in plain.networks().items():
        for mine, its in zip(network.parameters(), graphed.networks()[name].parameters(), strict=True):
            torch.testing.assert_close(mine, its, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "changes", [{"amp": "bf16"}, {"clip_norm": 0.5, "optimizer": "adam"}, {"channels_last": False}]
)
def test_other_settings_give_the_same_losses_too(changes):
    plain = made(SemiTrainer, settings=changes)
    graphed = made(GraphedTrainer, settings=changes, record=called)
    for _ in range(3):
        assert graphed.step() == pytest.approx(plain.step(), rel=2e-2 if "amp" in changes else 2e-4, abs=2e-5)


def test_a_graph_is_recorded_once_and_what_recording_does_is_undone():
    recorded = []

    def record(call):
        recorded.append(call)
        for _ in range(3):
            call()
        return call

    same_steps(made(SemiTrainer, MixMatch), made(GraphedTrainer, MixMatch, record=record))
    assert len(recorded) == 1


def test_every_input_of_the_graph_stays_where_it_is():
    graphed = made(GraphedTrainer, MeanTeacher, record=called)
    graphed.step()
    places = {name: x.data_ptr() for name, x in graphed._inputs.tensors.items()}
    state = [x.data_ptr() for x in graphed._state()]
    for _ in range(3):
        graphed.step()
    assert {name: x.data_ptr() for name, x in graphed._inputs.tensors.items()} == places
    assert [x.data_ptr() for x in graphed._state()] == state
    assert graphed.optimizer.param_groups[0]["lr"] is graphed._rate


def test_a_resumed_run_is_the_unbroken_one(tmp_path):
    unbroken = made(GraphedTrainer, record=called)
    wanted = [unbroken.step() for _ in range(6)]
    first, second = (made(GraphedTrainer, record=called) for _ in range(2))
    for _ in range(3):
        first.step()
    first.save(tmp_path / "state.pt")
    assert first.step() == wanted[3]  # saving disturbs nothing
    second.step()
    second.resume(tmp_path / "state.pt")
    assert [second.step() for _ in range(3)] == wanted[3:]


@pytest.mark.parametrize(("before", "after"), [(SemiTrainer, GraphedTrainer), (GraphedTrainer, SemiTrainer)])
def test_either_trainer_goes_on_from_what_the_other_saved(before, after, tmp_path):
    def build(kind):
        return made(kind, **({"record": called} if kind is GraphedTrainer else {}))

    first, unbroken = build(before), build(SemiTrainer)
    for _ in range(3):
        first.step(), unbroken.step()
    first.save(tmp_path / "state.pt")
    second = build(after)
    second.resume(tmp_path / "state.pt")
    same_steps(unbroken, second, 3)


def test_evaluation_between_steps_changes_nothing():
    one, two = (made(GraphedTrainer, record=called) for _ in range(2))
    one.step(), two.step()
    one.evaluate(range(8))
    assert one.step() == two.step()


def test_without_a_gpu_steps_are_the_plain_ones():
    assert made(GraphedTrainer).step() == made(SemiTrainer).step()


def test_what_a_graph_cannot_hold_is_refused():
    class Odd:
        domain = "waveform"

        def __call__(self, x, *, draw):
            return x

    pools = {"none": None, "weak": Pool((Odd(),)), "strong": None}
    with pytest.raises(ConfigError, match="graph"):
        made(GraphedTrainer, pools=pools, record=called).step()
    with pytest.raises(ConfigError, match="one process"):
        made(GraphedTrainer, record=called, ranks=Ranks(0, 2))


# --- its parts


POOLS = {
    "none": None,
    "empty": Pool(()),
    "weak": weak_pool(),
    "everything": Pool((Noise(), SpecAugment(mels=4, frames=4), Stretch(), CutOut(), Occlusion()), 0.8),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS.keys())
def test_a_plan_gives_the_views_that_picking_rows_gives(pool):
    clips, front_end = tones(), LogMel(SETTINGS)
    indices = torch.arange(24)
    waves, decibels = clips.waves(indices), clips.decibels[indices]
    for seed in range(3):
        one, two = (torch.Generator().manual_seed(seed) for _ in range(2))
        wanted = augmented(waves, decibels, pool, front_end, one)
        found = apply_plan(pool, draw_plan(pool, 24, SETTINGS, two), lambda: waves, decibels, front_end)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
        assert torch.equal(one.get_state(), two.get_state())


def test_a_neutral_augmentation_changes_nothing():
    for one in POOLS["everything"].augmentations:
        x = torch.randn(3, 1600) if one.domain == "waveform" else torch.randn(3, 16, 17)
        assert torch.equal(one.apply(x, *one.neutral(3, x.shape[1:])), x)


def test_static_inputs_hold_every_kind_of_tensor():
    given = {
        "a": torch.tensor([True, False, True]),
        "b": torch.arange(3),
        "c": torch.tensor(0.5),
        "d": torch.rand(2, 3, dtype=torch.float64),
        "e": torch.empty(0, 4),
        "f": torch.ones(1).expand(5),
    }
    inputs = StaticInputs(given, torch.device("cpu"))
    inputs.fill(given)
    assert all(torch.equal(inputs.tensors[name], value) for name, value in given.items())
    inputs.fill({**given, "b": torch.tensor([7, 8, 9])})
    assert inputs.tensors["b"].tolist() == [7, 8, 9] and inputs.tensors["a"].tolist() == [True, False, True]


def test_clips_are_held_in_int16_where_nothing_is_lost():
    clips = tones()
    coarse = torch.round(clips.waves(torch.arange(32)) * 20000) / 32768
    decibels = LogMel(SETTINGS)(coarse)
    clips = type(clips)(lambda i: coarse[i], decibels, clips.labels, clips.labeled, clips.unlabeled)
    held, fine = (made(GraphedTrainer, clips=c, record=called) for c in (clips, tones()))
    assert held._table.dtype == torch.int16 and fine._table.dtype == torch.float32
    same_steps(made(SemiTrainer, clips=clips), held, 3)
