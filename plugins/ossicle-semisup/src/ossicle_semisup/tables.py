"""A recipe's tables and pictures: ``python -m ossicle_semisup.tables RUN... --out recipes/DATASET/semisup``.

Writes ``results.csv`` (a line a run), ``results.json`` and pictures, and prints the README's table.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.atomic import write_bytes
from ossicle.errors import ConfigError, OssicleError
from ossicle.runs.folder import write_json
from ossicle_semisup.figures import Errors, HeatMap, errors_figure, heat_maps
from ossicle_semisup.results import collect, find_runs

COLUMNS = (
    "method",
    "seed",
    "fold",
    "labels",
    "steps",
    "error_rate",
    "error_rate_ema",
    "n_labeled",
    "n_test",
    "wall_s",
)


def write_results(results: Mapping[str, Any], out: Path, *, confusion_of: str | None = None) -> list[Path]:
    """Write a table's files into a folder and return them.

    Parameters
    ----------
    confusion_of
        Method of the picture of confusions; None: the one with the least error.

    Raises
    ------
    ConfigError
        If no run is of that method.
    """
    chosen = _chosen(results, confusion_of)
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "fold": "" if row["fold"] is None else row["fold"]} for row in results["runs"])
    write_bytes(out / "results.csv", text.getvalue().encode())
    files = [out / "results.csv", write_json(out / "results.json", results)]
    pictures = {
        "errors.svg": _errors(results),
        "confusion.svg": _confusion(results, chosen),
        "guesses.svg": _guesses(results),
    }
    for name, picture in pictures.items():
        if picture:
            write_bytes(out / name, picture.encode())
            files.append(out / name)
    return files


def _chosen(results: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    methods = results["methods"]
    if name is None:
        return min(methods, key=lambda row: row["mean"])
    for row in methods:
        if row["method"] == name:
            return row
    raise ConfigError(f"no run is of the method {name!r}", hint=f"methods: {', '.join(m['method'] for m in methods)}")


def _errors(results: Mapping[str, Any]) -> str:
    rows = [
        Errors(row["method"], row["mean"], row["low"], row["high"], list(row["by_run"].values()))
        for row in sorted(results["methods"], key=lambda row: row["mean"])
    ]
    return errors_figure(rows, f"{_network(results)}: mean, 95 % interval over recordings, and every run")


def _confusion(results: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    table = row["confusion"]
    shares = [[cell / max(1, sum(line)) for cell in line] for line in table]
    texts = [[str(cell) if cell else "" for cell in line] for line in table]
    title = f"{row['method']}: answers over {row['runs']} run{'s' if row['runs'] > 1 else ''}"
    labels = results["labels"]
    return heat_maps([HeatMap(title, labels, labels, shares, texts, "true class", "was called")])


def _guesses(results: Mapping[str, Any]) -> str:
    rows = [row for row in results["methods"] if row["guesses"]]
    if not rows:
        return ""

    def one(what: str, title: str) -> HeatMap:
        shares = [row["guesses"][what] for row in rows]
        texts = [["" if share is None else f"{100 * share:.0f}" for share in line] for line in shares]
        return HeatMap(title, [row["method"] for row in rows], results["labels"], shares, texts)

    return heat_maps(
        [
            one("precision", "Of the guesses of a class, % that are right"),
            one("recall", "Of a class's clips that counted, % guessed as it"),
        ]
    )


def markdown(results: Mapping[str, Any]) -> str:
    """Return the table for people."""
    baseline = results["baseline"]
    cost = "cpu_s" if all(row["cpu_s"] is not None for row in results["methods"]) else "wall_s"
    heads = (
        "method",
        "runs",
        "error, %",
        "95 % interval",
        f"beside {baseline}, points",
        "95 % interval",
        "better in",
        "t test p",
        "McNemar p (Holm)",
        "last network, %",
        "CPU s" if cost == "cpu_s" else "wall s",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in results["methods"]:
        against = row.get("against_baseline")
        beside = ["", "", "", "", ""]
        if against:
            beside = [
                _mean(against, signed=True),
                f"{_points(against['low'], True)} to {_points(against['high'], True)}",
                f"{against['better_in']} of {len(against['by_run'])}",
                "" if against["t_p"] is None else _p(against["t_p"]),
                _p(against["holm_p"]),
            ]
        interval = f"{_points(row['low'])} to {_points(row['high'])}"
        cells = [row["method"], str(row["runs"]), _mean(row), interval, *beside]
        cells += [_mean(row["first_network"]), f"{row[cost]:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    legend = (
        f"{_network(results)} at the last step, on the {results['tested_on']}: mean ± standard deviation over runs; intervals by bootstrap "
        f"over recordings. Points: the method's error minus that of {baseline}, paired by seed and fold. The t test is paired over runs and "
        "not adjusted; McNemar's mid-p is over all answers, adjusted by Holm. Last network: what the method itself reports, not averaged."
    )
    if results["ignored"]:
        legend += f" Runs of one method may differ in {', '.join(results['ignored'])}, which it does not use."
    return "\n".join([*lines, "", *textwrap.wrap(legend, 125)])


def _network(results: Mapping[str, Any]) -> str:
    return "Running average" if results["network"] == "ema" else f"Network {results['network']}"


def _mean(row: Mapping[str, Any], *, signed: bool = False) -> str:
    spread = "" if row["sd"] is None else f" ± {100 * row['sd']:.2f}"
    return _points(row["mean"], signed) + spread


def _points(share: float, signed: bool = False) -> str:
    return f"{100 * share:+.2f}" if signed else f"{100 * share:.2f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Make tables as the command line asks, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ossicle_semisup.tables", description="Tables and pictures of finished runs of one recipe."
    )
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="run folders, or a folder of them")
    add("--out", type=Path, required=True, help="folder of results.csv, results.json and the pictures")
    add("--network", default="ema", help="whose errors are shown: ema, net, teacher, second (default: ema)")
    add("--baseline", default="supervised", help="the method that all others are compared with")
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="KEY",
        help="a training setting in which runs of one method may differ, such as strength where it has no strong view",
    )
    add("--confusion", metavar="METHOD", help="method of the picture of confusions (default: the best)")
    given = parser.parse_args(argv)
    try:
        results = collect(find_runs(given.runs), network=given.network, baseline=given.baseline, ignore=given.ignore)
        files = write_results(results, given.out, confusion_of=given.confusion)
    except OssicleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(markdown(results))
    for file in files:
        print(f"wrote {file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
