"""`ossicle classify`: sound in, labels out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, progress, say, table
from ossicle.cli.inputs import Input, expand
from ossicle.errors import InputError, NoInputError, OssicleError


def classify(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    model: Annotated[str, Parameter(help="A trained model folder: what a recipe wrote.")],
    top: Annotated[int, Parameter(help="Labels a file, the likeliest first.")] = 1,
    windows: Annotated[
        bool, Parameter(negative="", help="Report every window of a long sound, not their mean.")
    ] = False,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Name what is heard in sound files.

    Sound is mixed to one channel and resampled to the model's rate. What is longer than the model's clips is heard window by
    window, and the windows' probabilities are averaged; what is shorter is padded with silence.

    Examples:
      ossicle classify clip.wav --model runs/fixmatch
      ossicle classify recordings/ --model runs/fixmatch --top 3 --json
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle.audio.classifier import load_classifier
    from ossicle.audio.files import SUFFIXES

    found = expand(inputs, SUFFIXES)
    classifier = load_classifier(Path(model).expanduser(), device=options.resolve_device(device))
    rows: list[dict[str, Any]] = []
    failed = []
    with progress(len(found), "classify", quiet=quiet) as advance:
        for source in found:
            try:
                rows += _classify_one(source, classifier, top, windows)
            except (OssicleError, OSError) as error:
                failed.append({"input": source.label, "error": str(error).splitlines()[0]})
                say(f"failed {source.label}: {error}")
            advance(source.label)
    if json:
        emit_json({"model": model, "labels": list(classifier.labels), "files": rows, "failed": failed})
    elif rows:
        columns = ("file", *(["from (s)"] if windows else []), "label", "probability")
        emit(table([cells for row in rows for cells in _cells(row, windows)], columns))
    if len(failed) == len(found):
        return NoInputError.exit_code
    return InputError.exit_code if failed else 0


def _classify_one(source: Input, classifier: Any, top: int, windows: bool) -> list[dict[str, Any]]:
    import torch

    from ossicle.audio import files
    from ossicle.audio.resample import resample_array

    clip = (files.decode(source.read_bytes()) if source.path is None else files.read(source.path)).mono()
    samples = resample_array(clip.samples, clip.sample_rate, classifier.sample_rate)[0]
    if not len(samples):
        raise InputError(f"{source.label} holds no sound")
    pieces = classifier.windows(torch.from_numpy(samples))
    device = classifier.front_end.window.device
    probabilities = torch.cat([classifier(part.to(device)) for part in pieces.split(32)]).cpu()
    length = pieces.shape[1] / classifier.sample_rate
    chosen = list(probabilities) if windows else [probabilities.mean(dim=0)]
    return [
        {
            "file": source.label,
            "seconds": round(clip.seconds, 4),
            **({"from_s": round(at * length, 4)} if windows else {"windows": len(pieces)}),
            **_best(row, classifier.labels, top),
        }
        for at, row in enumerate(chosen)
    ]


def _best(row: Any, labels: tuple[str, ...], top: int) -> dict[str, Any]:
    values, indices = row.topk(min(max(top, 1), len(labels)))
    likeliest = [
        {"label": labels[i], "probability": round(v, 6)} for v, i in zip(values.tolist(), indices.tolist(), strict=True)
    ]
    return {"label": likeliest[0]["label"], "probability": likeliest[0]["probability"], "top": likeliest}


def _cells(row: dict[str, Any], windows: bool) -> list[tuple[str, ...]]:
    where = (row["file"], *((f"{row['from_s']:.2f}",) if windows else ()))
    return [(*where, best["label"], f"{best['probability']:.3f}") for best in row["top"]]
