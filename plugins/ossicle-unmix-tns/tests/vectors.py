"""Golden vectors, and layers and networks made from them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ossicle_unmix_tns import UnMixTNS

FOLDER = Path(__file__).parent / "golden"


def load(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: torch.from_numpy(np.array(file[key])) for key in file.files if file[key].dtype.kind in "fi"}


def batch_norm(d, kind=nn.BatchNorm2d):
    bn = kind(len(d["bn_mean"]))
    bn.running_mean.copy_(d["bn_mean"])
    bn.running_var.copy_(d["bn_var"])
    with torch.no_grad():
        bn.weight.copy_(d["bn_weight"])
        bn.bias.copy_(d["bn_bias"])
    return bn.eval()


def golden_layer(d):
    layer = UnMixTNS.from_batch_norm(batch_norm(d), components=len(d["init_means"]), rate=float(d["lam"]))
    layer.means.copy_(d["init_means"])
    layer.variances.copy_(d["init_vars"])
    return layer


def batches(d, key="x"):
    return d[key].split(d["batch_sizes"].tolist())


class GoldenNetwork(nn.Module):
    """Three convolutions with BatchNorm, pooled, and a linear layer; in one of them a BatchNorm before it."""

    def __init__(self, d):
        super().__init__()
        state = {name[3:]: value for name, value in d.items() if name.startswith("sd/")}
        self.c1, self.b1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.c2, self.b2 = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16)
        self.c3, self.b3 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.hb = nn.BatchNorm1d(16) if "hb.weight" in state else nn.Identity()
        self.fc = nn.Linear(16, 5)
        for conv in ("c1", "c2", "c3"):
            if f"{conv}.bias" not in state:
                getattr(self, conv).register_parameter("bias", None)
        self.load_state_dict(state)
        self.eval()

    def forward(self, x):
        for conv, norm in ((self.c1, self.b1), (self.c2, self.b2), (self.c3, self.b3)):
            x = torch.relu(norm(conv(x)))
        return self.fc(self.hb(x.mean(dim=(2, 3))))


def small_network(seed=0, width=6, classes=4):
    """A plain classifier whose BatchNorms have seen something."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )
    with torch.no_grad():
        for _ in range(30):
            network.train()(torch.randn(16, 1, 9, 11))
    return network.eval()
