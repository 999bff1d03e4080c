"""Streams: the authors' orders to the number, orders that end on anything, and where methods start anew."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from ossicle.errors import ConfigError
from ossicle_unmix_tns.streams.orders import class_sorted, dirichlet, dirichlet_small, mean_run, scenes, shuffled
from ossicle_unmix_tns.streams.protocol import CLEAN, StreamProtocol

GOLDEN = np.load(Path(__file__).parent / "golden" / "stream_10cls.npz")
LABELS = GOLDEN["labels"]
DOMAINS = (("gain", 5), ("pitch", 3))


@pytest.mark.parametrize("seed", [2020, 2021])
@pytest.mark.parametrize("delta", [0.01, 0.1, 1.0])
def test_dirichlet_gives_the_authors_order(seed, delta):
    order = dirichlet(LABELS, delta=delta, seed=seed)
    assert np.array_equal(order, GOLDEN[f"order/seed{seed}/delta{delta}"])
    assert mean_run(LABELS[order]) == pytest.approx(float(GOLDEN[f"mean_run/seed{seed}/delta{delta}"]))


@pytest.mark.parametrize("seed", [2020, 2021])
def test_shuffled_and_sorted_give_the_authors_orders(seed):
    assert np.array_equal(shuffled(LABELS, seed=seed), GOLDEN[f"shuffled/seed{seed}"])
    assert np.array_equal(class_sorted(LABELS, seed=seed), GOLDEN[f"class_sorted/seed{seed}"])


def test_orders_leave_global_random_numbers_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    dirichlet(LABELS, delta=0.1, seed=3)
    assert np.array_equal(np.random.get_state()[1], before)


def test_the_authors_order_refuses_small_sets_and_says_what_to_take():
    with pytest.raises(ConfigError, match="Dirichlet") as caught:
        dirichlet(np.arange(80) % 10, delta=0.1, seed=0)
    assert "dirichlet-small" in str(caught.value)


@pytest.mark.parametrize("labels", [[], [4], [0, 9], [3, 3, 7], list(range(10)) * 8, [5] * 30], ids=len)
@pytest.mark.parametrize("delta", [0.001, 0.1, 100.0])
def test_dirichlet_small_ends_on_any_set_with_every_clip_once(labels, delta):
    order = dirichlet_small(labels, delta=delta, seed=1)
    assert sorted(order.tolist()) == list(range(len(labels)))


def test_a_smaller_delta_makes_longer_runs():
    runs = [mean_run(LABELS[dirichlet_small(LABELS, delta=d, seed=0)]) for d in (0.01, 0.3, 10.0)]
    assert runs[0] > 1.5 * runs[1] > 2 * runs[2]


@pytest.mark.parametrize("wanted", [1.0, 4.0, 20.0])
def test_scenes_stay_as_long_as_asked(wanted):
    order = scenes(LABELS, mean_run=wanted, seed=0)
    assert sorted(order.tolist()) == list(range(len(LABELS)))
    # The last clips of a class that is left alone lengthen runs a little.
    assert 0.6 * wanted < mean_run(LABELS[order]) < 1.7 * wanted + 0.5


def test_scenes_refuse_runs_below_one():
    with pytest.raises(ConfigError, match="runs"):
        scenes(LABELS, mean_run=0.5, seed=0)


@pytest.mark.parametrize("order", ["iid", "sorted", "dirichlet", "dirichlet-small", "scenes"])
@pytest.mark.parametrize("setting", ["single", "continual", "mixed"])
def test_every_clip_is_heard_once_in_every_domain(order, setting):
    protocol = StreamProtocol(order=order, setting=setting, domains=DOMAINS, batch_size=50)
    heard = [pair for b in protocol.batches(LABELS.tolist()) for pair in zip(b.domains, b.clips, strict=True)]
    assert sorted(heard) == [(d, c) for d in range(2) for c in range(len(LABELS))]


def test_batches_are_as_large_as_asked_but_for_the_last_of_a_pass():
    sizes = [len(b.clips) for b in StreamProtocol(batch_size=64).batches(LABELS.tolist())]
    assert sizes == [64] * 9 + [24]


def test_single_starts_anew_with_each_domain_continual_once_mixed_once():
    resets = {
        setting: sum(
            b.reset for b in StreamProtocol(setting=setting, domains=DOMAINS, order="iid").batches(LABELS.tolist())
        )
        for setting in ("single", "continual", "mixed")
    }
    assert resets == {"single": 2, "continual": 1, "mixed": 1}


def test_gradual_goes_up_and_down_through_the_severities_of_each_corruption():
    protocol = StreamProtocol(setting="gradual", domains=DOMAINS, order="dirichlet", batch_size=64)
    domains = protocol.heard()
    assert len(domains) == 10
    way = [domains[number] for b in protocol.batches(LABELS.tolist()) for number in b.domains]
    steps = [way[0], *(now for before, now in itertools.pairwise(way) if now != before)]
    assert [severity for name, severity in steps if name == "gain"] == [1, 2, 3, 4, 5, 4, 3, 2, 1]
    assert [b.reset for b in protocol.batches(LABELS.tolist())].count(True) == 2


def test_the_protocol_survives_json_and_tells_itself_from_others():
    protocol = StreamProtocol(order="scenes", setting="continual", domains=DOMAINS, batch_size=4, seed=7, mean_run=9.0)
    again = StreamProtocol.from_dict(json.loads(json.dumps(protocol.to_dict())))
    assert again == protocol and again.name == protocol.name
    assert StreamProtocol(seed=1).name != StreamProtocol(seed=2).name


def test_a_protocol_cannot_be_changed():
    with pytest.raises(AttributeError):
        StreamProtocol().seed = 3


@pytest.mark.parametrize(
    "wrong", [{"order": "zipf"}, {"setting": "wild"}, {"batch_size": 0}, {"domains": ()}, {"delta": 0.0}]
)
def test_a_protocol_refuses_what_it_does_not_know(wrong):
    with pytest.raises(ConfigError):
        StreamProtocol(**wrong)


def test_a_protocol_of_other_keys_is_refused():
    with pytest.raises(ConfigError, match="speed"):
        StreamProtocol.from_dict({"speed": 3})


def test_the_clean_domain_is_the_default():
    assert StreamProtocol().domains == (CLEAN,)
