"""The kernels: Triton's twins in its interpreter, gradients in float64, references that are the plain formulas."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import images

from ossicle.testing.interpreter import assert_equal_interpreted, run_interpreted
from ossicle_semisup.kernels.guess import guess_labels
from ossicle_semisup.kernels.loss import LossKernel, joint_loss
from ossicle_semisup.kernels.mixup import mix
from ossicle_semisup.mixing import mixup
from ossicle_semisup.probability import align, brier, cross_entropy, sharpen

HERE = Path(__file__).parent

GRADCHECK = """
import torch
from ossicle_semisup.kernels.loss import joint_loss
from ossicle_semisup.kernels.loss_triton import fused_loss

torch.set_default_dtype(torch.float64)
draw = torch.Generator().manual_seed(0)
mask = torch.tensor([1.0, 0.0, 0.5])
for distance in ("cross-entropy", "brier"):
    for more in ((None, None), (mask, torch.tensor(2.5))):
        x, u = (torch.randn(n, 3, generator=draw).requires_grad_() for n in (2, 3))
        target_x, target_u = (2 * torch.rand(n, 3, generator=draw) for n in (2, 3))  # their sums are not one

        def total(x, u, call):
            return call(x, target_x, u, target_u, *more, distance)

        assert torch.autograd.gradcheck(lambda x, u: total(x, u, fused_loss), (x, u)), (distance, more)
        sums = [a + 3 * b for a, b in (total(x, u, call) for call in (joint_loss, fused_loss))]
        gradients = [torch.autograd.grad(s, (x, u)) for s in sums]
        torch.testing.assert_close(gradients[1], gradients[0], atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(sums[1], sums[0], atol=1e-12, rtol=1e-12)

# Not of the loss, but of the interpreter: the mixup kernel keeps the layout of images.
from ossicle_semisup.kernels.mixup_triton import fused_mixup
x = torch.randn(4, 3, 5, 6, dtype=torch.float32).contiguous(memory_format=torch.channels_last)
mixed, _ = fused_mixup(x, torch.rand(4, 2), 0.6, torch.tensor([3, 2, 1, 0]))
assert mixed.is_contiguous(memory_format=torch.channels_last) and not mixed.is_contiguous()
print("passed")
"""

STEPS = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from small import CLASSES, batch_for, loss_of, make_network
from ossicle_semisup.kernels.guess import GuessKernel
from ossicle_semisup.kernels.loss import LossKernel
from ossicle_semisup.kernels.mixup import MixupKernel
from ossicle_semisup.methods.fixmatch import FixMatch
from ossicle_semisup.methods.mixmatch import MixMatch
from ossicle_semisup.methods.remixmatch import ReMixMatch
import os

used = []
for kernel in (GuessKernel, LossKernel, MixupKernel):
    # As if the CPU were a place where they run: in the interpreter it is.
    kernel.supports = lambda self, device, dtype: dtype == "float32"
    fast = kernel.accelerated
    kernel.accelerated = lambda self, *a, fast=fast, **k: (used.append(self.op), fast(self, *a, **k))[1]
cases = [
    (MixMatch, {}), (MixMatch, {"preset": "reference"}), (ReMixMatch, {}), (FixMatch, {"threshold": 0.4}),
    (FixMatch, {"threshold": 0.4, "mixing": "union"}), (FixMatch, {"threshold": 0.4, "joint": True}),
]
for kind, settings in cases:
    found = {}
    for wish in ("reference", "auto"):
        os.environ["OSSICLE_KERNELS"] = wish
        used.clear()
        method = kind(make_network, classes=CLASSES, **settings).train()
        out = loss_of(method, batch_for(method))
        found[wish] = out, torch.autograd.grad(out.loss, method.trainable()), set(used)
    (plain, gradients, none), (fast, fused, some) = found["reference"], found["auto"]
    assert not none and {"ssl-guess", "ssl-loss"} <= some, (kind, settings, some)
    assert torch.equal(plain.guesses.argmax(1), fast.guesses.argmax(1))
    torch.testing.assert_close(fast.guesses, plain.guesses, atol=1e-6, rtol=1e-5)
    assert plain.mask is None or torch.equal(plain.mask, fast.mask)
    torch.testing.assert_close(fast.loss, plain.loss, atol=1e-5, rtol=1e-5)
    for a, b in zip(fused, gradients, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)
print("passed")
"""


def test_the_kernels_equal_their_references_in_the_interpreter():
    names = ("guess:GuessKernel", "loss:LossKernel", "mixup:MixupKernel")
    assert_equal_interpreted(*(f"ossicle_semisup.kernels.{name}" for name in names))


def test_the_losses_gradient_holds_in_float64_and_the_mixup_keeps_its_layout():
    pytest.importorskip("triton")
    assert run_interpreted(GRADCHECK).strip() == "passed"


def test_a_step_has_the_same_guesses_with_and_without_kernels():
    pytest.importorskip("triton")
    assert run_interpreted(STEPS, HERE).strip() == "passed"


# --- the references are the plain formulas, in their order


def test_guesses_average_before_they_are_aligned_and_align_before_they_are_sharpened():
    logits, shares = images(9)[:, 0, :3, :5].transpose(0, 1), torch.softmax(torch.arange(5.0), dim=0)
    p_model = torch.full((5,), 0.2)
    found = guess_labels(logits, p_model, shares, 0.5, 0.6)
    mean = torch.softmax(logits, dim=-1).mean(dim=0)
    target = sharpen(align(mean, p_model, shares), 0.5)
    assert torch.equal(found.mean, mean) and torch.equal(found.target, target)
    assert torch.equal(found.label, target.argmax(dim=1)) and torch.equal(found.confidence, target.amax(dim=1))
    assert torch.equal(found.mask > 0, found.confidence >= 0.6) and 0 < float(found.mask.mean()) < 1


def test_of_equal_classes_the_first_is_the_guess():
    assert guess_labels(torch.zeros(1, 2, 4)).label.tolist() == [0, 0]


@pytest.mark.parametrize(("distance", "formula"), [("cross-entropy", cross_entropy), ("brier", brier)])
def test_masked_rows_are_divided_by_all_unless_told_otherwise(distance, formula):
    logits, target = images(7)[:, 0, 0, :5], torch.softmax(images(7, seed=1)[:, 0, 0, :5], dim=1)
    mask = torch.tensor([1.0, 0, 0, 1, 1, 0, 0])
    rows = formula(logits, target)
    plain, masked, counted = (
        joint_loss(logits, target, logits, target, *more, distance)[1]
        for more in ((None, None), (mask, None), (mask, mask.sum()))
    )
    torch.testing.assert_close(plain, rows.mean())
    torch.testing.assert_close(masked, rows[mask > 0].sum() / 7)
    torch.testing.assert_close(counted, rows[mask > 0].mean())


def test_no_gradient_flows_into_targets():
    logits, target, mask = (torch.rand(4, 3).requires_grad_(), torch.rand(4, 3).requires_grad_(), torch.rand(4))
    sum(joint_loss(logits, target, logits, target, mask.requires_grad_())).backward()
    assert logits.grad is not None and target.grad is None and mask.grad is None


def test_on_a_cpu_the_references_run_and_triton_is_not_imported():
    x, y = images(4), torch.rand(4, 3)
    partners = torch.tensor([1, 2, 3, 0])
    for found, wanted in zip(mix(x, y, 0.7, partners), mixup(x, y, 0.7, partners), strict=True):
        assert torch.equal(found, wanted)
    assert not LossKernel().supports("cpu", "float32") and not LossKernel().supports("cuda", "bfloat16")
    script = (
        "import sys, torch\nfrom ossicle_semisup.kernels.guess import make_guesses\n"
        "make_guesses(torch.zeros(1, 2, 3))\nprint('triton' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
