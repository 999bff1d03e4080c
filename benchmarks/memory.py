"""Measure peak memory: sound of a minute and of an hour through `ossicle vocode`, ten minutes of mel through V1; write JSON.

Run: python benchmarks/memory.py -o benchmarks/results/memory.json
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/speech.flac"
VOCODE = "import sys; from ossicle.cli.app import main; main(sys.argv[1:])"
TEN_MINUTES = (
    "import torch; from ossicle.audio.mel import MelSettings; from ossicle_istftnet.config import variant; "
    "from ossicle_istftnet.vocoder import ISTFTNetVocoder; "
    "v = ISTFTNetVocoder.from_config(variant('v1-c8c8i'), MelSettings.hifigan()); v(torch.full((1, 80, 51679), -6.0))"
)
REPORT = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def peak_mib(script: str, *arguments: str) -> tuple[float, float]:
    """Return the peak resident memory in MiB and the wall time in s of a process of its own."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script + REPORT, *arguments], capture_output=True, check=True)
    return int(done.stdout.split()[-1]) / 1024, time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    speech, rate = soundfile.read(EXAMPLE, dtype="float32")
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (1, 60):
            path = Path(folder) / f"{minutes}.flac"
            count = -(-minutes * 60 * rate // len(speech))
            soundfile.write(path, np.tile(speech, count)[: minutes * 60 * rate], rate)
            rows[f"vocode, {minutes} min of sound"] = peak_mib(
                VOCODE, "vocode", str(path), "-o", f"{folder}/out.wav", "--force"
            )
    rows["V1-C8C8I, one call on 10 min of mel"] = peak_mib(TEN_MINUTES)
    figures = {name: {"peak_mib": peak, "wall_s": wall} for name, (peak, wall) in rows.items()}
    for name, figure in figures.items():
        print(f"{name}: {figure['peak_mib']:.0f} MiB, {figure['wall_s']:.0f} s", file=sys.stderr)
    write_measurement(given.output, {"rows": figures, "environment": describe()}, title="Peak memory, measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
