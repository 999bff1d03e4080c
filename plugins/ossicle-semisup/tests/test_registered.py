"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import pytest
from layouts import MAKERS
from small import make_network

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component


def registered(kind):
    return [f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-semisup"]


def failures(kind, factory):
    return [o for o in check_component(kind, factory) if o.status == "failed"]


def test_all_kinds_are_there():
    assert set(registered("ssl-method")) == {
        "supervised", "mixmatch", "remixmatch", "fixmatch", "mean-teacher", "deep-co-training",
    }  # fmt: skip
    assert set(registered("dataset")) == set(MAKERS)
    assert (
        len(registered("backbone")) == 3 and len(registered("augmentation")) == 5 and registered("mixer") == ["mixup"]
    )
    assert set(registered("kernel")) == {"ssl-guess", "mixup-gather", "ssl-loss"}


@pytest.mark.parametrize("name", registered("ssl-method"))
def test_methods_conform(name):
    assert not failures("ssl-method", lambda: ossicle.build("ssl-method", name, make_network=make_network, classes=4))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("supervised", {"mixup_alpha": 0.4}),
        ("fixmatch", {"mixing": "paper"}),
        ("fixmatch", {"mixing": "union"}),
        ("mean-teacher", {"mixing": "paper"}),
        ("mean-teacher", {"mixing": "interpolate"}),
        ("deep-co-training", {"mixup_alpha": 0.4}),
    ],
)
def test_variants_with_mixup_conform(name, settings):
    assert not failures(
        "ssl-method", lambda: ossicle.build("ssl-method", name, make_network=make_network, classes=4, **settings)
    )


@pytest.mark.parametrize("name", registered("backbone"))
def test_backbones_conform(name):
    assert not failures("backbone", lambda: ossicle.build("backbone", name, classes=5))


@pytest.mark.parametrize("name", registered("augmentation"))
def test_augmentations_conform(name):
    assert not failures("augmentation", lambda: ossicle.build("augmentation", name))


@pytest.mark.parametrize("name", registered("mixer"))
def test_mixers_conform(name):
    assert not failures("mixer", lambda: ossicle.build("mixer", name))


@pytest.mark.parametrize("name", registered("kernel"))
def test_kernels_conform(name):  # in the interpreter: test_kernels.py
    assert not failures("kernel", lambda: ossicle.build("kernel", name))


@pytest.mark.parametrize("name", registered("dataset"))
def test_datasets_conform_in_their_own_layout(name, tmp_path):
    MAKERS[name](tmp_path)
    assert not failures("dataset", lambda: ossicle.build("dataset", name, folder=tmp_path))
