"""The UnMix-TNS layer beside BatchNorm2d in evaluation and beside the formulas as they are printed; a whole network beside its own.

Run: python benchmarks/unmix_layer.py --out benchmarks/results/unmix-layer.json
One thread, compiled, medians of alternating rounds. glibc is told to keep freed pages (the script starts itself anew with the variables
set): else the page faults of fresh outputs are most of every time at batch 64, ours and theirs.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEEP_PAGES = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "200000000",
}
CHANNELS, SIDE, COMPONENTS = 128, 32, 16


def naive(layer: Any) -> Callable[[Any], Any]:
    """Return the formulas as printed: statistics by `var`, every component's mixture (B, K, C), buffers bound anew."""
    import torch

    state = [layer.means.clone(), layer.variances.clone()]
    rate, temperature, eps = layer.rate, layer.temperature, layer.eps
    weight, bias = layer.weight.detach()[None, :, None, None], layer.bias.detach()[None, :, None, None]

    def forward(x: Any) -> Any:
        means, variances = state
        mean = x.mean(dim=(2, 3))
        variance = x.var(dim=(2, 3), unbiased=False)
        similarity = torch.nn.functional.cosine_similarity(mean[:, None], means[None], dim=2)
        share = torch.softmax(similarity / temperature, dim=1)[:, :, None]
        mixed = (1 - share) * means + share * mean[:, None]
        within = (1 - share) * variances + share * variance[:, None]
        middle = mixed.mean(dim=1)
        spread = within.mean(dim=1) + (mixed**2).mean(dim=1) - middle**2
        state[0] = means + rate * (share * (mean[:, None] - means)).mean(dim=0)
        state[1] = variances + rate * (share * (variance[:, None] - variances)).mean(dim=0)
        return weight * (x - middle[:, :, None, None]) / torch.sqrt(spread[:, :, None, None] + eps) + bias

    return forward


def layers(rounds: int) -> list[dict[str, Any]]:
    """Time the layer at batch 1, 8 and 64."""
    import torch

    from ossicle.runs.timing import medians
    from ossicle_unmix_tns import UnMixTNS
    from ossicle_unmix_tns.norm import AdaptiveNorm

    rows = []
    for batch in (1, 8, 64):
        draw = torch.Generator().manual_seed(0)
        bn = torch.nn.BatchNorm2d(CHANNELS).eval()
        layer = UnMixTNS.from_batch_norm(bn, components=COMPONENTS)
        x = torch.randn(batch, CHANNELS, SIDE, SIDE, generator=draw)
        torch._dynamo.reset()
        plain = copy.deepcopy(layer)
        calls = {
            "batch norm": bn,
            "layer": copy.deepcopy(layer),
            "layer under torch.compile": torch.compile(copy.deepcopy(layer), dynamic=False, fullgraph=True),
            "layer in plain torch": lambda x, plain=plain: AdaptiveNorm._normalise(plain, x),
            "naive": naive(layer),
        }
        found = [call(x) for call in (calls["layer"], calls["naive"])]
        took = medians({name: _bind(call, x) for name, call in calls.items()}, device="cpu", rounds=rounds, warmup=3)
        rows.append(
            {
                "batch": batch,
                "median_ms": {name: round(1e3 * value, 4) for name, value in took.items()},
                "times_batch_norm": {n: round(took[n] / took["batch norm"], 2) for n in took if n.startswith("layer")},
                "faster_than_naive": {n: round(took["naive"] / took[n], 1) for n in took if n.startswith("layer")},
                "largest_difference": float((found[0] - found[1]).abs().max()),
            }
        )
    return rows


def networks(rounds: int) -> list[dict[str, Any]]:
    """Time a WRN-28-2 on log-mels, adapted and as it is, both compiled."""
    import torch

    import ossicle
    from ossicle.runs.timing import medians

    rows = []
    for batch in (1, 8):
        network = ossicle.build("backbone", "audio-wrn-28-2", classes=10).eval().requires_grad_(False)
        x = torch.randn(batch, 1, 64, 128, generator=torch.Generator().manual_seed(0))
        torch._dynamo.reset()
        adapted = ossicle.build("adapter", "unmix-tns").adapt(network)
        calls = {
            "plain": torch.compile(network, dynamic=False),
            "adapted": torch.compile(adapted, dynamic=False),
            "plain, eager": network,
            "adapted, eager": copy.deepcopy(adapted),
        }
        took = medians({name: _bind(call, x) for name, call in calls.items()}, device="cpu", rounds=rounds, warmup=2)
        rows.append(
            {
                "network": "audio-wrn-28-2",
                "batch": batch,
                "input": list(x.shape),
                "median_ms": {name: round(1e3 * value, 3) for name, value in took.items()},
                "overhead_compiled": round(took["adapted"] / took["plain"], 3),
                "overhead_eager": round(took["adapted, eager"] / took["plain, eager"], 3),
            }
        )
    return rows


def _bind(call: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    return lambda: call(x)


def main() -> None:
    """Time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", choices=["layers", "networks", "all"], default="all")
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in {**KEEP_PAGES, "OMP_NUM_THREADS": "1"}.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_PAGES, "OMP_NUM_THREADS": "1"})
    import torch

    from ossicle.runs.environment import describe
    from ossicle.runs.report import write_measurement

    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "what": f"C={CHANNELS}, {SIDE} x {SIDE}, K={COMPONENTS}, float32",
        "allocator": KEEP_PAGES,
    }
    with torch.no_grad():
        if given.part != "networks":
            result["layers"] = layers(given.rounds)
        if given.part != "layers":
            result["networks"] = networks(max(given.rounds // 3, 5))
    for row in [*result.get("layers", []), *result.get("networks", [])]:
        print(row, flush=True)
    if given.out:
        found = {**result, "environment": describe()}
        print("wrote", write_measurement(given.out, found, title="The UnMix-TNS layer, speed"))


if __name__ == "__main__":
    main()
