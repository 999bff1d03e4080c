"""Write a voice's model card and its recipe's results.csv from its folder and its committed bench result.

Run: python benchmarks/model_card.py [--check]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from ossicle.audio.quality import FIGURES
from ossicle.audio.quality.tone import THRESHOLD_DB
from ossicle.toml import read_toml

ROOT = Path(__file__).resolve().parents[1]
VOICE = ROOT / "plugins/ossicle-istftnet/src/ossicle_istftnet/default/kerstin-v2"
RESULT = ROOT / "benchmarks/results/kerstin-v2.json"
OTHERS = ROOT / "benchmarks/results/other-voices.json"
TABLE = ROOT / "recipes/kerstin/vocoder/results.csv"
CURVE = ROOT / "benchmarks/results/kerstin-v2-training.json"
PICTURE = ROOT / "benchmarks/results/kerstin-v2-training.svg"
LABELS = {
    "istftnet": "kerstin-v2",
    "griffin-lim": "Griffin-Lim, 32 iterations",
    "griffin-lim:iterations=128": "Griffin-Lim, 128 iterations",
}


def card() -> str:
    """Return the text of the model card."""
    settings, result = read_toml(VOICE / "model.toml"), json.loads(RESULT.read_text("utf-8"))
    facts = settings["card"]
    environment = result["environment"]
    size = (VOICE / "model.safetensors").stat().st_size
    return f"""# kerstin-v2

The voice that ships inside ossicle-istftnet: iSTFTNet V2-C8C8I, {size / 4e6:.2f} M parameters, 80 natural-log mels of HiFi-GAN's
analysis (FFT 1024, hop 256, 0 to 8,000 Hz) to speech at 22,050 Hz.

| | |
| --- | --- |
| data | {facts["data"]}; 950 utterances, about 1.2 hours, for training |
| licence | data CC0 1.0 (`rhasspy/dataset-voice-kerstin`); weights Apache-2.0 |
| training | recipe `kerstin/vocoder`, seed {facts["seed"]}, {facts["steps"]} steps ({facts["phase"]}) on two CPU cores |
| intended use | a default that needs no download, tests, demonstrations; speech of other speakers is outside its training |

## Measured quality

Means ± standard deviations over {result["files"]} held-out utterances of the same speaker, analysed and synthesised again.
Griffin-Lim starts from the same mels, by the pseudo-inverse of the mel bank, momentum 0.99.

{_table(result)}

Measured {environment["utc"][:10]} with ossicle {environment["packages"]["ossicle"]}, torch {environment["packages"]["torch"]}, {environment["cpu"]}, {environment["threads"]} thread(s):
`{environment["command"]}`.
The figures are those of [kerstin-v2.json](../../../../../../benchmarks/results/kerstin-v2.json), which has a row a file.

## Other voices

Six English speakers of FSDD (CC BY-SA 4.0), ten spoken digits each, recorded at 8 kHz, so that the mels above 4 kHz hold silence: nothing
like it was in the training ([other-voices.json](../../../../../../benchmarks/results/other-voices.json)).

{_table(json.loads(OTHERS.read_text("utf-8")))}

## Training

![held-out loss-mel L1 by step](../../../../../../benchmarks/results/kerstin-v2-training.svg)

{_stages()}
The curve is in [kerstin-v2-training.json](../../../../../../benchmarks/results/kerstin-v2-training.json).

## Limits

{_limits(result)}
"""


def _stages() -> str:
    stages = json.loads(CURVE.read_text("utf-8"))["stages"]
    return "".join(
        f"- Steps {stage['from']} to {stage['to']}: {stage['what']}; held-out loss-mel L1 {stage['points'][-1][1]:.3f} at the end.\n"
        for stage in stages
    )


def picture() -> str:
    """Return the training curve as SVG."""
    stages = json.loads(CURVE.read_text("utf-8"))["stages"]
    points = [point for stage in stages for point in stage["points"]]
    last, top = max(p[0] for p in points), max(p[1] for p in points)
    width, height, left, bottom = 720, 320, 60, 45

    def place(step: float, value: float) -> str:
        x = left + step / last * (width - left - 20)
        return f"{x:.1f},{height - bottom - value / top * (height - bottom - 20):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<title>held-out loss-mel L1 by step</title><rect width="{width}" height="{height}" fill="white"/>',
    ]
    for tick in range(int(top * 10) + 1):
        at = float(place(0, tick / 10).split(",")[1])
        parts.append(f'<line x1="{left}" y1="{at}" x2="{width - 20}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{tick / 10}</text>')
    for step in range(0, last + 1, 5000):
        at = place(step, 0).split(",")[0]
        parts.append(f'<text x="{at}" y="{height - bottom + 18}" text-anchor="middle">{step}</text>')
    for stage, colour in zip(stages, ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce"), strict=False):
        line = " ".join(place(*point) for point in stage["points"])
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">step</text>')
    return "\n".join([*parts, "</svg>", ""])


def _table(result: dict[str, Any]) -> str:
    figures = list(FIGURES)
    head = [f"{FIGURES[f][0]} {'↑' if FIGURES[f][1] else '↓'}" for f in figures]
    lines = ["| | " + " | ".join(head) + " | worst tone |", "| --- " * (len(figures) + 2) + "|"]
    for name, summary in result["vocoders"].items():
        cells = [f"{summary[f]['mean']:.3f} ± {summary[f]['sd']:.3f}" if f in summary else "-" for f in figures]
        tone = summary.get("tone")
        heard = f"{tone['db']:.1f} dB at {tone['hz']:.0f} Hz" if tone else "-"
        lines.append(f"| {LABELS.get(name, name)} | " + " | ".join(cells) + f" | {heard} |")
    return "\n".join(lines)


def _limits(result: dict[str, Any]) -> str:
    ours, baseline = result["vocoders"]["istftnet"], result["vocoders"]["griffin-lim"]
    verdicts = []
    for figure, (label, higher) in FIGURES.items():
        if figure in ours and figure in baseline:
            better = (ours[figure]["mean"] > baseline[figure]["mean"]) == higher
            verdicts.append((label, better))
    ahead = [label for label, better in verdicts if better]
    behind = [label for label, better in verdicts if not better]
    text = f"Against Griffin-Lim with 32 iterations it is ahead in {', '.join(ahead) or 'nothing'}"
    text += f" and behind in {', '.join(behind)}." if behind else "."
    text += " It was trained for hours on a CPU; a GPU would train it far longer."
    strangers = json.loads(OTHERS.read_text("utf-8"))["vocoders"]["istftnet"]
    if strangers["tone"]["db"] > THRESHOLD_DB:
        text += f" On other voices it is far worse, with a tone at {strangers['tone']['hz']:.0f} Hz: it is a voice for one speaker."
    return text


def rows() -> str:
    """Return the text of results.csv."""
    result, facts = json.loads(RESULT.read_text("utf-8")), read_toml(VOICE / "model.toml")["card"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["model", "steps", "seed", *(f for f in FIGURES), "files", "result"])
    for name, summary in result["vocoders"].items():
        ours = name == "istftnet"
        means = [f"{summary[f]['mean']:.4f}" if f in summary else "" for f in FIGURES]
        table.writerow(
            [
                LABELS.get(name, name),
                facts["steps"] if ours else "",
                facts["seed"] if ours else result["seed"],
                *means,
                result["files"],
                "benchmarks/results/kerstin-v2.json",
            ]
        )
    return text.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a file is not what it would write"
    )
    check = parser.parse_args().check
    for path, text in ((VOICE / "MODEL_CARD.md", card()), (TABLE, rows()), (PICTURE, picture())):
        if not check:
            path.write_text(text, "utf-8")
        elif path.read_text("utf-8") != text:
            print(f"{path.relative_to(ROOT)} is not what its results say", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
