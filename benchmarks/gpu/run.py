"""Do the GPU queue on a bare CUDA machine: torch, triton and the checkout are enough. See QUEUE.md.

Run: python benchmarks/gpu/run.py JOB --out DIR [--device cuda] [--smoke]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(Path(__file__).resolve().parent),
    str(ROOT / "src"),
    *(str(p / "src") for p in sorted((ROOT / "plugins").iterdir())),
]

import ssl_jobs  # noqa: E402
import torch  # noqa: E402

import ossicle_istftnet.plugin  # noqa: E402
import ossicle_outliers.plugin  # noqa: E402
import ossicle_semisup.plugin  # noqa: E402
import ossicle_unmix_tns.plugin  # noqa: E402
from ossicle import kernels  # noqa: E402
from ossicle.audio.corpus import Corpus, read_corpus  # noqa: E402
from ossicle.audio.mel import MelSettings  # noqa: E402
from ossicle.registry import default_registry  # noqa: E402
from ossicle.runs.environment import describe  # noqa: E402
from ossicle.runs.folder import write_json  # noqa: E402
from ossicle.runs.timing import medians  # noqa: E402
from ossicle.status import PluginStatus  # noqa: E402
from ossicle.testing import check_component  # noqa: E402
from ossicle.training.loop import STATE_FILE, LoopConfig, run_loop  # noqa: E402
from ossicle_istftnet.config import variant  # noqa: E402
from ossicle_istftnet.cuda.epilogue import ResidualEpilogueKernel  # noqa: E402
from ossicle_istftnet.engines import dtypes_on  # noqa: E402
from ossicle_istftnet.folder import save_folder  # noqa: E402
from ossicle_istftnet.head_kernel import ISTFTHeadKernel  # noqa: E402
from ossicle_istftnet.training import Trainer, TrainingConfig  # noqa: E402
from ossicle_istftnet.vocoder import ISTFTNetVocoder  # noqa: E402
from ossicle_outliers.autoencoder import AutoencoderDetector  # noqa: E402
from ossicle_outliers.kernels.score import ReconstructionScoreKernel  # noqa: E402
from ossicle_outliers.kernels.shortlist import NeighborShortlistKernel  # noqa: E402
from ossicle_outliers.neighbors import search  # noqa: E402
from ossicle_semisup.kernels.guess import GuessKernel  # noqa: E402
from ossicle_semisup.kernels.loss import LossKernel  # noqa: E402
from ossicle_semisup.kernels.mixup import MixupKernel  # noqa: E402
from ossicle_unmix_tns import UnMixTNS, fast  # noqa: E402
from ossicle_unmix_tns import kernels as unmix  # noqa: E402
from ossicle_unmix_tns.norm import AdaptiveNorm  # noqa: E402

PLUGINS = {
    "ossicle-istftnet": ossicle_istftnet.plugin,
    "ossicle-semisup": ossicle_semisup.plugin,
    "ossicle-unmix-tns": ossicle_unmix_tns.plugin,
    "ossicle-outliers": ossicle_outliers.plugin,
}
KERNELS: dict[str, Callable[[], Any]] = {
    "istft-head": ISTFTHeadKernel,
    "residual-epilogue": ResidualEpilogueKernel,
    "ssl-guess": GuessKernel,
    "mixup-gather": MixupKernel,
    "ssl-loss": LossKernel,
    "unmix-statistics": unmix.StatisticsKernel,
    "unmix-moments": unmix.MomentsKernel,
    "unmix-normalize": unmix.NormalizeKernel,
    "unmix-update": unmix.UpdateKernel,
    "neighbor-shortlist": NeighborShortlistKernel,
    "reconstruction-score": ReconstructionScoreKernel,
}
"""Named here and not found by entry points: nothing is installed on the machine this runs on."""


def offer_checkout() -> None:
    """Let the registry offer the plugins of the checkout: without it, every fast path would stay unused in silence."""
    host = default_registry().host
    loaded = {status.name for status in host.loaded()}
    for name, module in PLUGINS.items():
        if name not in loaded:
            records = {"ossicle_components": tuple(module.ossicle_components())}
            host.statuses.append(PluginStatus(name, "0", name, module.__name__, records=records))


def kernel_parity(given: argparse.Namespace) -> dict[str, Any]:
    """Run the conformance checks of every kernel."""
    return {name: [o.as_dict() for o in check_component("kernel", kernel)] for name, kernel in KERNELS.items()}


def kernel_timing(given: argparse.Namespace) -> dict[str, Any]:
    """Time every kernel against its reference, in turn, medians."""
    rows = []
    for name, factory in KERNELS.items():
        kernel = factory()
        paths = {"reference": kernel.reference}
        if kernel.supports(torch.device(given.device).type, "float32"):
            paths["accelerated"] = kernel.accelerated
        for label, arguments in [*kernel.samples(), *LARGE[name](given.smoke)]:
            moved = [_moved(a, given.device) for a in arguments]
            calls = {key: _bind(_with_gradient(path, moved), moved) for key, path in paths.items()}
            rows.append({"kernel": name, "arguments": label, "median_s": _medians(calls, given)})
    return {"rows": rows}


def _large_heads(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(1, 64)] if smoke else [(1, 64 * 86), (1, 64 * 861), (16, 64 * 86), (64, 64 * 86)]
    return [(f"16/4, batch {b}, {f} frames", (torch.randn(b, 18, f) * 0.3, 16, 4)) for b, f in shapes]


def _large_epilogues(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(1, 8, 64)] if smoke else [(1, 256, 8 * 86), (1, 128, 64 * 861), (16, 128, 64 * 86), (64, 128, 64 * 86)]
    rows = []
    for b, c, n in shapes:
        y, bias, residual = torch.randn(b, c, n), torch.randn(c), torch.randn(b, c, n)
        rows.append((f"batch {b}, {c} channels, {n} samples", (y, bias, residual, None, 1.0, 0.1, True)))
    return rows


def _large_guesses(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(2, 4, 10)] if smoke else [(1, 64, 10), (2, 128, 35), (2, 4096, 527)]
    rows = []
    for v, u, k in shapes:
        shares = torch.softmax(torch.randn(2, k), dim=1)
        rows.append((f"{v} views of {u} clips, {k} classes", (3 * torch.randn(v, u, k), *shares, 0.5, 0.95)))
    return rows


def _large_mixups(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(4, 16, 21)] if smoke else [(90, 64, 431), (384, 64, 32), (384, 64, 431), (640, 64, 173)]
    return [
        (f"{b} log-mels {m} x {t}", (torch.randn(b, 1, m, t), torch.rand(b, 35), torch.rand(b), torch.randperm(b)))
        for b, m, t in shapes
    ]


def _large_losses(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(3, 4, 10)] if smoke else [(30, 60, 10), (128, 256, 35), (2048, 4096, 527)]
    rows = []
    for b, u, k in shapes:
        logits = [torch.randn(n, k).requires_grad_() for n in (b, u)]
        targets = [torch.softmax(torch.randn(n, k), dim=1) for n in (b, u)]
        arguments = (logits[0], targets[0], logits[1], targets[1], (torch.rand(u) > 0.5).float())
        rows += [(f"{b} + {u} rows, {k} classes, {d}", (*arguments, None, d)) for d in ("cross-entropy", "brier")]
    return rows


def _large_unmix(step: str) -> Callable[[bool], list[tuple[str, tuple[Any, ...]]]]:
    def arguments(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
        rows = []
        for b, c, length, k in (
            [(2, 8, 16, 4)] if smoke else [(1, 128, 1024, 16), (64, 128, 1024, 16), (64, 512, 64, 128)]
        ):
            x, state = torch.randn(b, c, length), (torch.randn(k, c), torch.zeros(k, c), torch.ones(k, c))
            found = unmix.statistics(x)
            packed = unmix.moments(found, *state, torch.ones(c), torch.zeros(c))
            given: dict[str, tuple[Any, ...]] = {
                "statistics": (x,),
                "moments": (found, *state, torch.ones(c), torch.zeros(c)),
                "normalize": (x, found, packed),
                "update": (found, packed, None, *state, None, torch.tensor([1.0, 0.1])),
            }
            rows.append((f"batch {b}, {c} channels, {length} positions, {k} components", given[step]))
        return rows

    return arguments


def _large_shortlists(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(8, 100, 4)] if smoke else [(20_000, 20_000, 32), (16_384, 100_000, 32), (4096, 1_000_000, 32)]
    rows = []
    for q, n, d in shapes:
        queries, base = torch.randn(q, d), torch.randn(n, d)
        rows.append((f"{q} of {n} rows, {d} columns, 28", (queries, base, base.square().sum(1), 28)))
    return rows


def _large_scores(smoke: bool) -> list[tuple[str, tuple[Any, ...]]]:
    shapes = [(50, 8)] if smoke else [(100_000, 32), (1_000_000, 32), (100_000, 640)]
    return [
        (f"{n} rows, {d} columns, 4 targets", (torch.randn(n, d), torch.randn(n, d), torch.randn(4, n, d), 0.3))
        for n, d in shapes
    ]


LARGE: dict[str, Callable[[bool], list[tuple[str, tuple[Any, ...]]]]] = {
    "istft-head": _large_heads,
    "residual-epilogue": _large_epilogues,
    "ssl-guess": _large_guesses,
    "mixup-gather": _large_mixups,
    "ssl-loss": _large_losses,
    **{f"unmix-{step}": _large_unmix(step) for step in ("statistics", "moments", "normalize", "update")},
    "neighbor-shortlist": _large_shortlists,
    "reconstruction-score": _large_scores,
}
"""Arguments of each kernel at the sizes of real use, beside the samples of its own."""


def vocoder_timing(given: argparse.Namespace) -> dict[str, Any]:
    """Time V1- and V2-C8C8I with random weights: eager float32 beside every type's engine, as times real time."""
    rows = []
    settings = MelSettings.hifigan()
    for name in ("v2-c8c8i",) if given.smoke else ("v1-c8c8i", "v2-c8c8i"):
        voices = {
            dtype: ISTFTNetVocoder.from_config(variant(name), settings, dtype=dtype, device=given.device)
            for dtype in dtypes_on(torch.device(given.device))
        }
        eager = voices["fp32"].generator
        for batch, frames in [(1, 4)] if given.smoke else [(1, 86), (1, 861), (16, 86), (16, 861), (64, 86)]:
            mel = torch.randn(batch, 80, frames, device=given.device) - 5.0
            calls = {"eager": _bind(torch.no_grad()(eager), [mel]), **{k: _bind(v, [mel]) for k, v in voices.items()}}
            found = _medians(calls, given)
            seconds = batch * frames * settings.hop_length / settings.sample_rate
            rows.append(
                {
                    "model": name,
                    "batch": batch,
                    "frames": frames,
                    "median_s": found,
                    "times_real_time": {key: seconds / took for key, took in found.items()},
                    "plans": {key: voice.precision.describe() for key, voice in voices.items()},
                }
            )
    return {"rows": rows}


def unmix_timing(given: argparse.Namespace) -> dict[str, Any]:
    """Time the UnMix-TNS layer beside BatchNorm2d in evaluation: plain torch, four launches, and those as a CUDA graph."""
    rows = []
    for batch in (2,) if given.smoke else (1, 8, 64):
        channels, side = (8, 4) if given.smoke else (128, 32)
        bn = torch.nn.BatchNorm2d(channels).eval().requires_grad_(False).to(given.device)
        layer, plain = (UnMixTNS.from_batch_norm(bn) for _ in range(2))
        x = torch.randn(batch, channels, side, side, device=given.device)
        calls = {"batch norm": _bind(bn, [x]), "plain torch": _bind(AdaptiveNorm._normalise, [plain, x])}
        if given.device.startswith("cuda"):
            # Entry points are not there on this machine, so the twins are named.
            from ossicle_istftnet.cuda.graphs import record_cuda_graph
            from ossicle_unmix_tns import kernels_triton as twin

            steps = fast.Steps(twin.statistics, twin.moments, twin.normalize, twin.update)
            calls["four launches"] = _bind(fast.forward_by, [layer, x, steps])
            calls["graph"] = record_cuda_graph(calls["four launches"])
            calls["batch norm, graph"] = record_cuda_graph(calls["batch norm"])
        rows.append({"batch": batch, "shape": list(x.shape), "median_s": _medians(calls, given)})
    return {"rows": rows}


def outlier_timing(given: argparse.Namespace) -> dict[str, Any]:
    """Time the exact neighbour search and the default detector on the device beside the CPU; compare their scores."""
    rows = []
    for n in (300,) if given.smoke else (20_000, 100_000):
        table = torch.randn(n, 32, generator=torch.Generator().manual_seed(0))
        moved = table.to(given.device)
        calls = {"cpu": _bind(_search_20, [table]), "device": _bind(_search_20, [moved])}
        same = torch.equal(_search_20(table), _search_20(moved).cpu())
        took = medians(calls, device=given.device, rounds=2 if given.smoke else 5, warmup=1)
        rows.append({"what": "search, k 20", "rows": n, "same_neighbors": same, "median_s": took})
        options: dict[str, Any] = {"steps": 20} if given.smoke else {}
        scores, seconds = {}, {}
        for name, device in (("cpu", "cpu"), ("device", given.device)):
            detector = AutoencoderDetector(device=device, **options)
            started = time.perf_counter()
            scores[name] = torch.from_numpy(detector.fit(table).decision_function(table)).argsort().argsort().double()
            seconds[name] = time.perf_counter() - started
        correlation = float(torch.corrcoef(torch.stack(list(scores.values())))[0, 1])
        rows.append({"what": "fit and score", "rows": n, "rank_correlation": correlation, "s": seconds})
    return {"rows": rows}


def _search_20(table: torch.Tensor) -> torch.Tensor:
    found = search(table, k=20).indices
    assert isinstance(found, torch.Tensor)
    return found


def train_vocoder(given: argparse.Namespace) -> dict[str, Any]:
    """Train the default voice with the published discriminators, the whole corpus on the device."""
    folder = given.out / "train-vocoder"
    if given.smoke:
        noise = (torch.randn(60000, generator=torch.Generator().manual_seed(0)) * 3000).to(torch.int16)
        train = valid = Corpus(noise, torch.tensor([0]), torch.tensor([60000]), ("noise",), 22050)
        config = TrainingConfig(
            steps=2, warmup_steps=1, batch_size=1, spectral_weight=1.0, period_width=2, scale_width=16
        )
    else:
        train = read_corpus(given.cache / "train", limit_shards=given.shards)
        valid = read_corpus(given.cache / "valid")
        config = TrainingConfig(
            seed=given.seed,
            steps=400_000,
            batch_size=32,
            segment_frames=32,
            gan_learning_rate=3e-4,
            amp="bf16",
            gain_db=(-6.0, 3.0),
        )
    generator, front_end = variant("v2-c8c8i"), MelSettings.hifigan()
    trainer = Trainer(generator, front_end, config, train, device=given.device)
    if given.resume:
        trainer.resume(folder / STATE_FILE)
    log: list[dict[str, float]] = []
    started = time.monotonic()
    run_loop(
        trainer,
        LoopConfig(steps=config.steps, minutes=given.minutes, log_every=1 if given.smoke else 200, validate_every=2000),
        folder,
        log=lambda step, values: log.append({"step": step, **values}),
        validate=lambda: trainer.validate(valid),
        on_checkpoint=lambda: save_folder(folder / "model", trainer.shipped_state(), generator, front_end),
    )
    wall = time.monotonic() - started
    return {"steps": trainer.step_number, "wall_s": wall, **trainer.validate(valid), "log": log}


JOBS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "kernel-parity": kernel_parity,
    "kernel-timing": kernel_timing,
    "vocoder-timing": vocoder_timing,
    "ssl-steps": ssl_jobs.ssl_steps,
    "unmix-timing": unmix_timing,
    "outlier-timing": outlier_timing,
    "train-vocoder": train_vocoder,
    "esc10-table": ssl_jobs.esc10_table,
}
TRAINING = ("train-vocoder", "esc10-table")


def _moved(argument: Any, device: str) -> Any:
    if not isinstance(argument, torch.Tensor):
        return argument
    return argument.detach().to(device).requires_grad_(argument.requires_grad)


def _with_gradient(call: Callable[..., Any], arguments: list[Any]) -> Callable[..., Any]:
    """Return a call that takes the gradients too, where arguments want them."""
    wanted = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
    return (lambda *given: torch.autograd.grad(sum(call(*given)), wanted)) if wanted else call


def _bind(call: Callable[..., Any], arguments: list[Any]) -> Callable[[], Any]:
    return lambda: call(*arguments)


def _medians(calls: dict[str, Callable[[], Any]], given: argparse.Namespace) -> dict[str, float]:
    rounds, warmup = (2, 1) if given.smoke else (given.rounds, 5)
    return medians(calls, device=given.device, rounds=rounds, warmup=warmup)


def main() -> None:
    """Do the jobs named and write a result for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*JOBS, "all"], help="all: every job but training")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--cache", type=Path, help="corpus cache, or ESC-10 as packed by ssl_jobs.py, for training")
    parser.add_argument("--shards", type=int, help="train on the first so many shards")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--amp", choices=("fp32", "bf16"), default="bf16", help="of esc10-table")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="in miniature")
    given = parser.parse_args()
    offer_checkout()
    for name in [job for job in JOBS if job not in TRAINING] if given.job == "all" else [given.job]:
        result = {
            "job": name,
            "device": given.device,
            "smoke": given.smoke,
            "kernels": [c.as_dict() for c in kernels.choices(device=torch.device(given.device).type)],
            **JOBS[name](given),
            "environment": describe(),
        }
        print("wrote", write_json(given.out / f"{name}.json", result))


if __name__ == "__main__":
    main()
