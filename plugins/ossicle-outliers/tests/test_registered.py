"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import pytest

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component, parametrize_plugin
from ossicle.testing.interpreter import assert_equal_interpreted


def registered(kind):
    return {f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-outliers"}


def failures(kind, factory):
    return [o for o in check_component(kind, factory) if o.status == "failed"]


@parametrize_plugin("ossicle-outliers")
def test_the_plugin_and_all_it_brings_conform(check):
    check()


def test_everything_is_there():
    assert registered("outlier-detector") == {"autoencoder", "mod", "knn", "pyod"}
    assert registered("kernel") == {"neighbor-shortlist", "reconstruction-score"}
    assert default_registry().default("outlier-detector").endswith("autoencoder")


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "ae"},
        {"preset": "paper", "variance_floor": 0.3, "epochs": 60},
        {"shift_steps": 0},
        {"reference_size": 50},
        {"batch_size": 32, "epochs": 5, "held_out": 0.0},
    ],
    ids=str,
)
def test_variants_of_the_autoencoder_conform(settings):
    assert not failures(
        "outlier-detector", lambda: ossicle.build("outlier-detector", "autoencoder", **({"steps": 60} | settings))
    )


def test_the_triton_kernels_equal_their_references_in_the_interpreter():
    assert_equal_interpreted(
        "ossicle_outliers.kernels.shortlist:NeighborShortlistKernel",
        "ossicle_outliers.kernels.score:ReconstructionScoreKernel",
    )
