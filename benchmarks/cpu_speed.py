"""Time the CPU's arithmetic on a generator against plain eager float32, interleaved; write the medians as JSON.

Run: python benchmarks/cpu_speed.py -o benchmarks/results/cpu-speed.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ossicle.audio.mel import MelSettings
from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement
from ossicle.runs.timing import medians
from ossicle_istftnet.calibration import calibration_mels
from ossicle_istftnet.config import variant
from ossicle_istftnet.engines import dtypes_on, snr_db
from ossicle_istftnet.vocoder import ISTFTNetVocoder


def candidates(name: str) -> dict[str, tuple[Callable[[Tensor], Any], str]]:
    """Return eager float32, every type of ours, and the ONNX runtimes that are installed, with what each runs."""
    voices = {}
    for dtype in dtypes_on(torch.device("cpu")):
        if name == "shipped":
            voices[dtype] = ISTFTNetVocoder(dtype=dtype)
        else:
            voices[dtype] = ISTFTNetVocoder.from_config(variant(name), MelSettings.hifigan(), dtype=dtype)
    found: dict[str, tuple[Callable[[Tensor], Any], str]] = {"eager": (voices["fp32"].generator, "plain torch")}
    found |= {dtype: (voice, voice.precision.describe()) for dtype, voice in voices.items()}
    with tempfile.TemporaryDirectory() as folder:
        voices["fp32"].export_onnx(Path(folder) / "voice.onnx")
        found |= onnxruntime_row(Path(folder) / "voice.onnx") | openvino_rows(Path(folder) / "voice.onnx")
    return found


def onnxruntime_row(model: Path) -> dict[str, tuple[Callable[[Tensor], Any], str]]:
    """Return onnxruntime on a model, where it is installed."""
    try:
        import onnxruntime
    except ImportError:
        return {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return {"onnxruntime fp32": (lambda mel: session.run(None, {"mel": mel.numpy()})[0], onnxruntime.__version__)}


def openvino_rows(model: Path) -> dict[str, tuple[Callable[[Tensor], Any], str]]:
    """Return OpenVINO on a model in float32 and bfloat16, where it is installed."""
    try:
        import openvino
    except ImportError:
        return {}
    rows: dict[str, tuple[Callable[[Tensor], Any], str]] = {}
    for dtype, hint in (("fp32", "f32"), ("bf16", "bf16")):
        settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": hint}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        rows[f"openvino {dtype}"] = (lambda mel, run=compiled: run([mel.numpy()])[0], openvino.__version__)
    return rows


def measure(name: str, seconds: float, threads: int, rounds: int) -> dict[str, Any]:
    """Return medians and ratios for one length and number of threads."""
    torch.set_num_threads(threads)
    frames = round(seconds * 22050 / 256)
    speech = calibration_mels(80).transpose(0, 1).reshape(80, -1)[None]
    mel = speech.repeat(1, 1, -(-frames // speech.shape[2]))[:, :, :frames].contiguous()
    runs = candidates(name)
    with torch.no_grad():
        truth = runs["eager"][0](mel)
        outputs = {key: torch.as_tensor(call(mel)).reshape(truth.shape) for key, (call, _) in runs.items()}
        times = medians(
            {k: lambda c=c: c(mel) for k, (c, _) in runs.items()}, device="cpu", rounds=rounds, warmup=0, rest_s=0.05
        )
    assert torch.get_num_threads() == threads, "something changed the number of threads"
    sound = frames * 256 / 22050
    return {
        "network": name,
        "seconds": sound,
        "threads": threads,
        "rounds": rounds,
        "rows": {
            key: {
                "median_s": took,
                "times_real_time": sound / took,
                "ratio_to_eager": times["eager"] / took,
                "snr_db": snr_db(truth, outputs[key]) if key != "eager" else None,
                "max_error": float((outputs[key] - truth).abs().max()),
                "runs": runs[key][1],
            }
            for key, took in times.items()
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--networks", default="shipped,v1-c8c8i")
    parser.add_argument("--seconds", default="5,60")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5, help="rounds at 5 s; two at 60 s")
    given = parser.parse_args()
    results = []
    for name in given.networks.split(","):
        for seconds in map(float, given.seconds.split(",")):
            for threads in map(int, given.threads.split(",")):
                found = measure(name, seconds, threads, given.rounds if seconds < 30 else 2)
                results.append(found)
                cells = [
                    f"{key} {row['times_real_time']:.1f}x real time ({row['ratio_to_eager']:.2f}x eager)"
                    for key, row in found["rows"].items()
                ]
                print(f"{name}, {seconds:g} s, {threads} threads: {'; '.join(cells)}", file=sys.stderr, flush=True)
                write_measurement(
                    given.output, {"results": results, "environment": describe()}, title="Types on the CPU, measured"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
