"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import pytest
from small import make_network

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component, parametrize_plugin


def registered(kind):
    return {f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-semisup"}


@parametrize_plugin("ossicle-semisup")
def test_the_plugin_and_all_it_brings_conform(check):  # kernels in the interpreter: test_kernels.py
    check()


def test_all_kinds_are_there():
    assert registered("ssl-method") == {
        "supervised", "mixmatch", "remixmatch", "fixmatch", "mean-teacher", "deep-co-training",
    }  # fmt: skip
    assert registered("dataset") == {
        "esc10", "esc50", "urbansound8k", "speech-commands", "fsdd", "class-folders", "manifest",
    }  # fmt: skip
    assert (
        len(registered("backbone")) == 3 and len(registered("augmentation")) == 5 and registered("mixer") == {"mixup"}
    )
    assert registered("kernel") == {"ssl-guess", "mixup-gather", "ssl-loss"}


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
    outcomes = check_component(
        "ssl-method", lambda: ossicle.build("ssl-method", name, make_network=make_network, classes=4, **settings)
    )
    assert not [o for o in outcomes if o.status == "failed"]
