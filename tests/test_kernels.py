"""Which path runs is decided by device, dtype and environment, and can be asked."""

import subprocess
import sys

import pytest
import torch

from ossicle import kernels
from ossicle.errors import ConfigError, UnknownNameError
from ossicle.testing.fake_distributions import component_plugin

TWICE = {
    "twice_impl": """
        class Twice:
            op, tolerance = "twice", 1e-6
            def reference(self, x): return x * 2
            def accelerated(self, x): return x + x
            def supports(self, device, dtype): return device == "cuda" and dtype == "float32"
            def samples(self): return []
    """
}


@pytest.fixture
def twice(site):
    site.add("fast", component_plugin("kernel", "twice-fast", "twice_impl:Twice"), modules=TWICE)


def picked(device="cuda", dtype="float32"):
    return kernels.pick("twice", device=device, dtype=dtype).__name__


def test_the_fast_path_runs_where_it_can(twice):
    assert picked() == "accelerated"
    assert picked(device="cpu") == "reference"
    assert picked(dtype="float64") == "reference"


@pytest.mark.parametrize(
    ("wish", "expected"), [("reference", "reference"), ("auto", "accelerated"), ("twice-fast", "accelerated")]
)
def test_the_environment_overrules(twice, monkeypatch, wish, expected):
    monkeypatch.setenv("OSSICLE_KERNELS", wish)
    assert picked() == expected


def test_an_unknown_wish_is_refused(twice, monkeypatch):
    monkeypatch.setenv("OSSICLE_KERNELS", "twice-fats")
    with pytest.raises(ConfigError, match="twice-fats") as caught:
        picked()
    assert "twice-fast" in caught.value.hint


def test_without_a_kernel_the_fallback_serves():
    assert kernels.pick("no-such-op", device="cpu", fallback=abs) is abs
    with pytest.raises(UnknownNameError):
        kernels.pick("no-such-op", device="cpu")


def test_choices_say_why(twice):
    (choice,) = [c for c in kernels.choices(device="cpu") if c.op == "twice"]
    assert choice.chosen == "reference" and "cpu" in choice.why


def test_a_broken_kernel_leaves_its_reference_to_the_caller(site):
    site.add("bad", component_plugin("kernel", "bad", "bad_impl:Kernel"), modules={"bad_impl": "Kernel = 1 / 0"})
    assert kernels.pick("bad-op", device="cpu", fallback=abs) is abs


def test_a_machine_without_cuda_never_imports_triton(site):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    script = (
        "import sys, ossicle, torch\n"
        "from ossicle import kernels\n"
        "kernels.choices(device='cpu')\n"
        "kernels.pick('istft-head', device='cpu', fallback=abs)\n"
        "print('triton' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
