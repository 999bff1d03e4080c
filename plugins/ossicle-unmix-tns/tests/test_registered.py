"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import subprocess
import sys

import pytest

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component


def registered(kind):
    return [f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-unmix-tns"]


def failures(kind, factory):
    return [o for o in check_component(kind, factory) if o.status == "failed"]


def test_all_names_are_there():
    assert set(registered("adapter")) == {
        "source", "tbn", "alpha-bn", "ema-bn", "rbn", "iabn", "tent", "lame", "unmix-tns", "unmix-tns+tent", "unmix-tns+lame",
    }  # fmt: skip
    assert set(registered("corruption")) == {
        "white-noise", "pink-noise", "environment", "babble", "reverb", "low-pass", "clipping", "mp3", "opus", "telephone",
        "packet-loss", "resample", "pitch", "tempo", "gain", "equalizer", "bit-depth", "dropout",
    }  # fmt: skip


@pytest.mark.parametrize("name", registered("adapter"))
def test_adapters_conform(name):
    assert not failures("adapter", lambda: ossicle.build("adapter", name))


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
    assert not failures("adapter", lambda: ossicle.build("adapter", name, **settings))


def test_listing_loads_no_torch():
    script = (
        "import sys, ossicle_unmix_tns.plugin as p; list(p.ossicle_components()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
