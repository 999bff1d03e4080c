"""`ossicle classify`: sound in, labels out."""

from __future__ import annotations

import json as jsonlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, progress, say, table
from ossicle.cli.inputs import Input, expand
from ossicle.errors import InputError, NoInputError, OssicleError, UsageError

if TYPE_CHECKING:
    from ossicle.cli.classify_stream import Listener

_AT_ONCE = 32


def classify(
    inputs: Annotated[list[str], Parameter(name="IN", help="Files, folders, quoted globs, @list.txt, or - for stdin.")],
    /,
    *,
    model: Annotated[str, Parameter(help="A trained model folder: what a recipe wrote.")],
    adapt: Annotated[
        str | None, Parameter(help="Adapt while listening: an adapter, with settings where wanted: unmix-tns:seed=1.")
    ] = None,
    stream: Annotated[
        bool,
        Parameter(negative="", help="A JSON line a window as it is heard; - is a live pipe of raw float32 samples."),
    ] = False,
    state: Annotated[str | None, Parameter(help="File to go on from, and to leave the adapted state in.")] = None,
    batch: Annotated[int | None, Parameter(help="Windows at once (default: 32; with --stream 1).")] = None,
    compare: Annotated[
        bool, Parameter(negative="--no-compare", help="With --adapt, hear with the model as trained too.")
    ] = True,
    top: Annotated[int, Parameter(help="Labels a file, the likeliest first.")] = 1,
    windows: Annotated[
        bool, Parameter(negative="", help="Report every window of a long sound, not their mean.")
    ] = False,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Name what is heard in sound files, or in a live stream.

    Sound is mixed to one channel and resampled to the model's rate. What is longer than the model's clips is heard window by
    window, and the windows' probabilities are averaged; what is shorter is padded with silence. An adapter keeps the model right
    while microphones, rooms and noise change; it needs no labels, and hears inputs in the order in which they are named.

    Examples:
      ossicle classify clip.wav --model runs/fixmatch
      ossicle classify recordings/ --model runs/fixmatch --top 3 --json
      ossicle classify recordings/ --model runs/fixmatch --adapt unmix-tns
      microphone | ossicle classify - --model runs/fixmatch --adapt unmix-tns --stream --state kitchen.safetensors
    """
    # Heavy imports wait until there is work, so that --help is quick.
    from ossicle.audio.classifier import load_classifier
    from ossicle.audio.files import SUFFIXES

    if state is not None and adapt is None:
        raise UsageError("--state without --adapt", why="a model that does not adapt has no state")
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}", why="at least one window is heard at once")
    found = expand(inputs, SUFFIXES)
    if stream and any(source.path is None for source in found) and len(found) > 1:
        raise UsageError("a live pipe goes alone", hint="name - and no files, or files alone")
    classifier = load_classifier(Path(model).expanduser(), device=options.resolve_device(device))
    listener = _listener(classifier, adapt, top, compare, state)
    if stream:
        return _live(found, listener, batch or 1, quiet)
    rows: list[dict[str, Any]] = []
    failed = []
    with progress(len(found), "classify", quiet=quiet) as advance:
        for source in found:
            try:
                rows += _classify_one(source, listener, windows, batch or _AT_ONCE)
            except (OssicleError, OSError) as error:
                failed.append({"input": source.label, "error": str(error).splitlines()[0]})
                say(f"failed {source.label}: {error}")
            advance(source.label)
    if adapt:
        listener.save()
        say(listener.told(), quiet=quiet)
    if json:
        about = {"adaptation": listener.summary()} if adapt else {}
        emit_json({"model": model, "labels": list(classifier.labels), "files": rows, "failed": failed, **about})
    elif rows:
        columns = ("file", *(["from (s)"] if windows else []), "label", "probability")
        emit(table([cells for row in rows for cells in _cells(row, windows)], columns))
    if len(failed) == len(found):
        return NoInputError.exit_code
    return InputError.exit_code if failed else 0


def _listener(classifier: Any, adapt: str | None, top: int, compare: bool, state: str | None) -> Listener:
    from ossicle.audio.adaptive import AdaptiveClassifier
    from ossicle.cli.classify_stream import Listener

    name, settings = options.parse_spec(adapt) if adapt is not None else (None, {})
    model = AdaptiveClassifier(classifier, name, settings)
    place = None if state is None else Path(state).expanduser()
    if place is not None and place.exists():
        model.load(place)
        say(f"going on from {place}: {model.heard} windows heard")
    return Listener(model, top, compare and name is not None, place)


def _live(found: list[Input], listener: Listener, batch: int, quiet: bool) -> int:
    """Tell of every window as it is heard; whatever ends the stream, the state is written."""
    from ossicle.cli.classify_stream import file_windows, raw_windows

    classifier, failed = listener.model.trained, 0
    # A service manager stops a process with SIGTERM: it ends as it would by Ctrl-C, with its state on the disk.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for source in found:
            try:
                if source.path is None:
                    pieces = raw_windows(classifier.front_end.settings.n_samples, batch)
                else:
                    pieces = iter(file_windows(source, classifier)[1].split(batch))
                for part in pieces:
                    for row in listener.hear(part):
                        emit(jsonlib.dumps({"file": source.label, **row}, ensure_ascii=False))
            except (OssicleError, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                failed += 1
                say(f"failed {source.label}: {error}")
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.save()
        say(listener.told(), quiet=quiet)
    if failed:
        return InputError.exit_code if listener.windows else NoInputError.exit_code
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _classify_one(source: Input, listener: Listener, windows: bool, batch: int) -> list[dict[str, Any]]:
    import torch

    from ossicle.cli.classify_stream import best, file_windows

    classifier = listener.model.trained
    seconds, pieces = file_windows(source, classifier)
    probabilities = torch.cat([listener.probabilities(part)[0] for part in pieces.split(batch)])
    length = pieces.shape[1] / classifier.sample_rate
    chosen = list(probabilities) if windows else [probabilities.mean(dim=0)]
    return [
        {
            "file": source.label,
            "seconds": round(seconds, 4),
            **({"from_s": round(at * length, 4)} if windows else {"windows": len(pieces)}),
            **best(row, classifier.labels, listener.top),
        }
        for at, row in enumerate(chosen)
    ]


def _cells(row: dict[str, Any], windows: bool) -> list[tuple[str, ...]]:
    where = (row["file"], *((f"{row['from_s']:.2f}",) if windows else ()))
    return [(*where, best["label"], f"{best['probability']:.3f}") for best in row["top"]]
