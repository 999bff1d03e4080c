"""What this plugin registers passes the checks of its kind: what is registered is tested."""

import os
import subprocess
import sys

import pytest

import ossicle
from ossicle.registry import default_registry
from ossicle.testing import check_component

QUICK = {"autoencoder": {"steps": 60}}
"""Settings that make a component quick enough to be fitted fifty times."""


def registered(kind):
    return [f.component.name for f in default_registry().all(kind) if f.status.name == "ossicle-outliers"]


def failures(kind, factory):
    return [o for o in check_component(kind, factory) if o.status == "failed"]


def test_everything_is_there():
    assert set(registered("outlier-detector")) == {"autoencoder", "mod", "knn", "pyod"}
    assert set(registered("kernel")) == {"neighbor-shortlist", "reconstruction-score"}
    assert default_registry().default("outlier-detector").endswith("autoencoder")


@pytest.mark.parametrize("name", registered("outlier-detector"))
def test_every_detector_conforms(name):
    if name == "pyod":
        pytest.importorskip("pyod")
    assert not failures("outlier-detector", lambda: ossicle.build("outlier-detector", name, **QUICK.get(name, {})))


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


@pytest.mark.parametrize("name", registered("kernel"))
def test_every_kernel_conforms(name):
    assert not failures("kernel", lambda: ossicle.build("kernel", name))


@pytest.mark.parametrize(
    "kernel",
    [
        "ossicle_outliers.kernels.shortlist:NeighborShortlistKernel",
        "ossicle_outliers.kernels.score:ReconstructionScoreKernel",
    ],
)
def test_a_triton_kernel_equals_its_reference_in_the_interpreter(kernel):
    pytest.importorskip("triton")
    module, name = kernel.split(":")
    script = (
        "from ossicle.testing import check_component\n"
        f"from {module} import {name}\n"
        f"for o in check_component('kernel', {name}): print(o.check, o.status, o.detail, sep='|')"
    )
    # Triton reads the variable when it is imported, so the interpreter needs a process of its own.
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = dict(line.split("|", 1) for line in done.stdout.splitlines())
    assert outcomes["equals its reference"] == "passed|"
    assert all(outcome == "passed|" for outcome in outcomes.values()), outcomes
