"""The Triton kernels equal their references, and the fast path equals the layer: in Triton's interpreter."""

import pytest

from ossicle.kernels import pick
from ossicle.testing import parametrize_checks
from ossicle.testing.interpreter import assert_equal_interpreted, run_interpreted
from ossicle_unmix_tns.kernels import LayerKernel

KERNELS = ["StatisticsKernel", "MomentsKernel", "NormalizeKernel", "UpdateKernel"]

COMPARE = """
import copy, torch
from torch import nn
from ossicle_unmix_tns import UnMixTNS, fast, kernels_triton
from ossicle_unmix_tns.gate import Gate

def update(*arguments):
    return kernels_triton.update(*arguments)

steps = fast.Steps(kernels_triton.statistics, kernels_triton.moments, kernels_triton.normalize, update)
bn = nn.BatchNorm2d(6).eval()
draw = torch.Generator().manual_seed(0)
bn.running_mean.normal_(generator=draw), bn.running_var.uniform_(0.5, 2, generator=draw)
for settings in ({{"rate": 0.1}}, {{"horizon": 60.0, "prior": 20.0, "variance": "total"}}):
    plain = UnMixTNS.from_batch_norm(bn, components=5, **settings).requires_grad_(False)
    plain.gate = Gate()
    quick = copy.deepcopy(plain)
    places = [b.data_ptr() for b in quick.buffers()]
    for step in range(4):
        x = torch.randn(5, 6, 4, 7, generator=draw) + 1
        x[2] = torch.nan if step == 1 else 0.0
        x = x.contiguous(memory_format=torch.channels_last) if step == 2 else x
        plain.freeze(step == 3), quick.freeze(step == 3)
        plain.gate(plain, (x,)), quick.gate(quick, (x,))
        wanted, found = plain(x), fast.forward_by(quick, x, steps)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0, equal_nan=True)
        assert found.stride() == x.stride()
        positive = fast.forward_by(copy.deepcopy(quick), x, steps, relu=True)
        assert bool((positive[0] >= 0).all())
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(quick.state_dict()[name], value, atol=1e-5, rtol=0)
    assert places == [b.data_ptr() for b in quick.buffers()]
print("alike")
"""


def test_the_kernels_equal_their_references():
    assert_equal_interpreted(*(f"ossicle_unmix_tns.kernels:{name}" for name in KERNELS))


@parametrize_checks("kernel", LayerKernel)
def test_the_cpu_kernel_conforms(check):
    check()


def test_the_path_on_cuda_is_the_layer():
    pytest.importorskip("triton")
    assert run_interpreted(COMPARE.format()) == "alike\n"


@pytest.mark.parametrize("name", ["statistics", "moments", "normalize", "update"])
def test_without_cuda_the_reference_is_chosen(name):
    assert pick(f"unmix-{name}", device="cpu").__name__ == "reference"
