"""The formulas give the values computed with the published code (golden/README.md)."""

import json
from pathlib import Path

import pytest
import torch

from ossicle_semisup import align, js_divergence, mixup, sharpen
from ossicle_semisup.methods.mean_teacher import MeanTeacher
from ossicle_semisup.probability import brier, cross_entropy
from ossicle_semisup.ramps import cosine_7_16, exponential, half_cosine

VALUES = json.loads((Path(__file__).parent / "golden" / "ssl_values.json").read_text("utf-8"))


def close(found, key):
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=torch.float64), torch.tensor(VALUES[key], dtype=torch.float64), atol=2e-6, rtol=0
    )


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


def test_sharpening():
    close(sharpen(row(0.6, 0.3, 0.1), 0.5)[0], "sharpen [.6,.3,.1] T=.5")


def test_ramps_and_schedules():
    close([exponential(t) for t in (0, 0.1, 0.25, 0.5, 0.75, 1)], "exp ramp exp(-5(1-t)^2) t=0,.1,.25,.5,.75,1")
    close([cosine_7_16(t) for t in (0, 0.25, 0.5, 0.75, 1)], "cos716 cos(7pi/16 t) t=0,.25,.5,.75,1")
    close([half_cosine(t) for t in (0, 0.25, 0.5, 0.75, 1)], "softcos .5(1+cos(pi t)) t=0,.25,.5,.75,1")


def test_jensen_shannon():
    close(js_divergence(row(0.7, 0.2, 0.1), row(0.1, 0.6, 0.3))[0], "JS(nats) [.7,.2,.1],[.1,.6,.3]")


def test_alignment():
    uniform = torch.full((3,), 1 / 3, dtype=torch.float64)
    aligned = align(row(0.6, 0.3, 0.1), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), uniform)
    close(aligned[0], "DA p=[.6,.3,.1], p_model=[.5,.3,.2], p_data uniform")
    close(sharpen(aligned, 0.5)[0], "DA then sharpen .5")


def test_losses():
    logits = row(2.0, 0.0, -1.0)
    close(brier(logits, row(1.0, 0.0, 0.0))[0], "brier mean over C: logits [2,0,-1] vs onehot0")
    target = row(0.7826087, 0.1956522, 0.0217391)
    close(cross_entropy(logits, target)[0], "soft CE logits [2,0,-1] target [.7826087,.1956522,.0217391]")


def test_mixup_keeps_the_first_heavier():
    x = torch.tensor([[1.0], [5.0]])
    mixed, _ = mixup(x, x, max(0.3, 0.7), torch.tensor([1, 0]))
    close(float(mixed[0, 0]), "mixup lam=.3 -> .7: x=1,x2=5")


@pytest.mark.parametrize("index", range(6))
def test_the_teachers_decay(index):
    class Weight(torch.nn.Module):
        n_features = 1

        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([0.0], dtype=torch.float64))

    step = (0, 1, 9, 998, 999, 5000)[index]
    method = MeanTeacher(lambda seed: Weight(), classes=3)
    method.teacher.w.data.fill_(1.0)
    method.after_step(step)  # the student is 0: what is left of the teacher's 1 is the decay
    found = float(method.teacher.w.detach())
    assert found == pytest.approx(VALUES["ema alpha min(1-1/(s+1),.999) s=0,1,9,998,999,5000"][index], abs=2e-6)
