"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import pytest

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component, parametrize_plugin


def registered(kind):
    return {f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-unmix-tns"}


@parametrize_plugin("ossicle-unmix-tns")
def test_the_plugin_and_all_it_brings_conform(check):
    check()


def test_all_names_are_there():
    assert registered("adapter") == {
        "source", "tbn", "alpha-bn", "ema-bn", "rbn", "iabn", "tent", "lame", "unmix-tns", "unmix-tns+tent", "unmix-tns+lame",
    }  # fmt: skip
    assert registered("corruption") == {
        "white-noise", "pink-noise", "environment", "babble", "reverb", "low-pass", "clipping", "mp3", "opus", "telephone",
        "packet-loss", "resample", "pitch", "tempo", "gain", "equalizer", "bit-depth", "dropout",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("unmix-tns", {"preset": "paper"}),
        ("unmix-tns", {"preset": "paper", "components": 1}),
        ("unmix-tns", {"components": 2, "variance": "total", "prior": 16.0, "temperature": 0.5}),
        ("lame", {"affinity": "rbf"}),
        ("lame", {"affinity": "linear"}),
    ],
)
def test_variants_conform(name, settings):
    outcomes = check_component("adapter", lambda: ossicle.build("adapter", name, **settings))
    assert not [o for o in outcomes if o.status == "failed"]
