"""Each method's step written out in plain formulas, in one piece: the methods' losses, guesses and gradients are these to
the bit on a CPU, whatever computes their parts.
"""

import copy

import pytest
import torch
from small import CLASSES, batch_for, guess, loss_of, make_network

from ossicle_semisup import align, mixup, sharpen
from ossicle_semisup.methods.base import together
from ossicle_semisup.methods.co_training import DeepCoTraining
from ossicle_semisup.methods.fixmatch import FixMatch
from ossicle_semisup.methods.mean_teacher import MeanTeacher
from ossicle_semisup.methods.mixmatch import MixMatch
from ossicle_semisup.methods.remixmatch import ReMixMatch, flip
from ossicle_semisup.methods.supervised import Supervised
from ossicle_semisup.mixing import blend, draw_weights
from ossicle_semisup.probability import brier, cross_entropy
from ossicle_semisup.ramps import Progress


def weights_and_partners(sizes, alpha, draw, *, per_example=True):
    weights = [draw_weights(n, alpha, draw, keep_first=True, per_example=per_example) for n in sizes]
    return torch.cat(weights), torch.randperm(sum(sizes), generator=draw)


def supervised(method, batch, draw, ramp):
    x, y = batch["labeled"], batch["labeled/targets"]
    weights = draw_weights(len(x), 0.4, draw, keep_first=False, per_example=False)
    x, y = mixup(x, y, weights, torch.randperm(len(x), generator=draw))
    return cross_entropy(method.student(x), y).mean(), None


def mixmatch(method, batch, draw, ramp, *, distance=cross_entropy, weight=1.0, per_example=True, separate=False):
    x, y, views = batch["labeled"], batch["labeled/targets"], [batch["unlabeled-0"], batch["unlabeled-1"]]
    q = sharpen(torch.stack(guess(method.student, views)).mean(dim=0), 0.5)
    sizes = [len(x), 2 * len(q)]
    drawn = weights_and_partners(sizes, 0.75, draw, per_example=per_example)
    mixed, targets = mixup(torch.cat([x, *views]), torch.cat([y, q, q]), *drawn)
    logits = together(method.student, *mixed.split(sizes), separate=separate)
    targets_x, targets_u = targets.split(sizes)
    loss_u = distance(logits[1], targets_u).mean()
    return cross_entropy(logits[0], targets_x).mean() + weight * ramp * loss_u, q


def remixmatch(method, batch, draw, ramp):
    x, y, weak = batch["labeled"], batch["labeled/targets"], batch["unlabeled-weak"]
    strong = [batch["unlabeled-strong-0"], batch["unlabeled-strong-1"]]
    (p,) = guess(method.student, [weak])
    q = sharpen(align(p, torch.full((128, CLASSES), 1 / CLASSES).mean(dim=0), method.p_data), 0.5)
    sizes = [len(x), 3 * len(q)]
    drawn = weights_and_partners(sizes, 0.75, draw)
    mixed, targets = mixup(torch.cat([x, weak, *strong]), torch.cat([y, q, q, q]), *drawn)
    flipped, flips = flip(strong[0])
    features = method.student.features(torch.cat([mixed, strong[0], flipped]))
    logits = method.student.classifier(features[: -len(q)])
    loss_x = cross_entropy(logits[: len(x)], targets[: len(x)]).mean()
    loss_mixed = cross_entropy(logits[len(x) : len(mixed)], targets[len(x) :]).mean()
    loss_strong = cross_entropy(logits[len(mixed) :], q).mean()
    loss_flip = torch.nn.functional.cross_entropy(method.flip_classifier(features[-len(q) :]), flips)
    return loss_x + ramp * (1.5 * loss_mixed + 0.5 * loss_strong) + 0.5 * loss_flip, q


def fixmatch(method, batch, draw, ramp, *, mixing="none", joint=False):
    x, y, weak, strong = (batch[k] for k in ("labeled", "labeled/targets", "unlabeled-weak", "unlabeled-strong"))
    if joint:
        logits_x, logits_weak, logits_u = together(method.student, x, weak, strong)
        p = torch.softmax(logits_weak.detach(), dim=1)
    else:
        (p,) = guess(method.student, [weak])
    confidence, label = p.max(dim=1)
    mask = (confidence >= 0.4).float()
    target_x, target_u, counted = y, torch.nn.functional.one_hot(label, CLASSES).float(), float(len(strong))
    if mixing == "paper":
        partners = strong[torch.arange(len(x)) % len(strong)], x[torch.arange(len(strong)) % len(x)]
        mixed = [
            blend(part, partner, draw_weights(len(part), 0.75, draw, keep_first=True, per_example=True))
            for part, partner in zip((x, strong), partners, strict=True)
        ]
        logits_x, logits_u = together(method.student, *mixed)
    elif mixing == "union":
        sizes = [len(x), len(strong)]
        drawn = weights_and_partners([sum(sizes)], 0.75, draw)
        mixed, targets = mixup(torch.cat([x, strong]), torch.cat([y, target_u]), *drawn)
        logits_x, logits_u = together(method.student, *mixed.split(sizes))
        target_x, target_u = targets.split(sizes)
        counted = max(float(mask.sum()), 1.0)
    elif not joint:
        logits_x, logits_u = together(method.student, x, strong)
    assert 0 < float(mask.mean()) < 1
    loss_u = (mask * cross_entropy(logits_u, target_u)).sum() / counted
    return cross_entropy(logits_x, target_x).mean() + 1.0 * loss_u, p


def mean_teacher(method, batch, draw, ramp, *, mixing="none"):
    x, y, u = batch["labeled"], batch["labeled/targets"], batch["unlabeled"]
    heard = [batch["labeled-teacher"], batch["unlabeled-teacher"]]

    def drawn(count):
        weights = draw_weights(count, 0.4, draw, keep_first=False, per_example=False)
        return weights, torch.randperm(count, generator=draw)

    def mixed(part, weights, partners):
        return blend(part, part[partners], weights)

    if mixing == "paper":
        heard = [mixed(part, *drawn(len(part))) for part in heard]
    with torch.no_grad():
        target = torch.softmax(method.teacher(torch.cat(heard)), dim=1)
    if mixing == "interpolate":
        chosen = drawn(len(u))
        u = mixed(u, *chosen)
        target = torch.cat([target[: len(x)], mixed(target[len(x) :], *chosen)])
    logits_x, logits_u = together(method.student, x, u)
    distance = (torch.softmax(torch.cat([logits_x, logits_u]), dim=1) - target).square().mean()
    return cross_entropy(logits_x, y).mean() + ramp * distance, target[len(x) :]


CASES = {
    "supervised with mixup": (Supervised, {"mixup_alpha": 0.4}, supervised, {}),
    "mixmatch": (MixMatch, {}, mixmatch, {}),
    "mixmatch as published": (MixMatch, {"preset": "reference"}, mixmatch, {"distance": brier, "weight": 75.0}),
    "mixmatch as in the paper": (MixMatch, {"preset": "paper"}, mixmatch, {"per_example": False, "separate": True}),
    "remixmatch": (ReMixMatch, {}, remixmatch, {}),
    "fixmatch": (FixMatch, {"threshold": 0.4}, fixmatch, {}),
    "fixmatch, one pass": (FixMatch, {"threshold": 0.4, "joint": True}, fixmatch, {"joint": True}),
    "fixmatch, mixed across": (FixMatch, {"threshold": 0.4, "mixing": "paper"}, fixmatch, {"mixing": "paper"}),
    "fixmatch, mixed union": (FixMatch, {"threshold": 0.4, "mixing": "union"}, fixmatch, {"mixing": "union"}),
    "mean teacher": (MeanTeacher, {}, mean_teacher, {}),
    "mean teacher, mixed": (MeanTeacher, {"mixing": "paper"}, mean_teacher, {"mixing": "paper"}),
    "mean teacher, interpolated": (MeanTeacher, {"mixing": "interpolate"}, mean_teacher, {"mixing": "interpolate"}),
}


@pytest.mark.parametrize(("kind", "settings", "formula", "told"), CASES.values(), ids=CASES.keys())
def test_a_step_is_its_formula_to_the_bit(kind, settings, formula, told):
    method = kind(make_network, classes=CLASSES, **settings).train()
    twin, batch = copy.deepcopy(method), batch_for(method)
    out = loss_of(method, batch, step=10)
    ramp = getattr(method, "_ramp", None)
    grown = ramp.at(Progress(10, 100)) if ramp else 1.0
    loss, guesses = formula(twin, batch, torch.Generator().manual_seed(0), grown, **told)
    assert torch.equal(out.loss, loss)
    assert guesses is None or torch.equal(out.guesses, guesses)
    for network in (method, twin):
        (out.loss if network is method else loss).backward()
    for mine, its in zip(method.trainable(), twin.trainable(), strict=True):
        assert torch.equal(mine.grad, its.grad)
    for mine, its in zip(method.student.buffers(), twin.student.buffers(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("kind", [MixMatch, ReMixMatch, FixMatch, MeanTeacher, DeepCoTraining])
def test_a_loss_is_computed_of_what_is_drawn_and_of_factors(kind):
    method = kind(make_network, classes=CLASSES).train()
    twin, batch, progress = copy.deepcopy(method), batch_for(method), Progress(50, 100)
    draw = torch.Generator().manual_seed(0)
    drawn = twin.draws({name: len(part) for name, part in batch.items()}, draw)
    # As a recorded graph has them: scalars in place of numbers.
    factors = {name: torch.tensor(value) for name, value in twin.factors(progress).items()}
    torch.testing.assert_close(twin.compute(batch, drawn, factors).loss, loss_of(method, batch).loss)
