"""Small things that many tests need: a network, a batch."""

import torch

from ossicle_semisup.backbones import AudioWideResNet
from ossicle_semisup.methods.base import logits_of
from ossicle_semisup.ramps import Progress

CLASSES = 4


def make_network(seed):
    return AudioWideResNet(CLASSES, width=1, blocks=1, seed=seed)


def images(rows, seed=0):
    return torch.randn(rows, 1, 16, 24, generator=torch.Generator().manual_seed(seed))


def targets(rows):
    return torch.nn.functional.one_hot(torch.arange(rows) % CLASSES, CLASSES).float()


def batch_for(method, labeled=6, unlabeled=8, same_views=False):
    sizes = {"labeled": labeled, "labeled-2": labeled, "unlabeled": unlabeled}
    batch = {}
    for at, view in enumerate(method.views):
        batch[view.name] = images(sizes[view.source], seed=len(view.source) + (0 if same_views else 10 * at))
        if view.source != "unlabeled":
            batch[f"{view.source}/targets"] = targets(sizes[view.source])
    return batch


def loss_of(method, batch, step=50, steps=100, seed=0):
    return method.loss(batch, draw=torch.Generator().manual_seed(seed), progress=Progress(step, steps))


def guess(network, views):
    """Probabilities of each view, by a pass that leaves no trace."""
    return list(torch.softmax(logits_of(network, views), dim=-1))


def gradients(method, loss):
    return torch.autograd.grad(loss, list(method.student.parameters()), allow_unused=True)
