"""`ossicle compare`: whether one run is better than another, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, table
from ossicle.errors import ConfigError, UsageError


def compare(
    runs: Annotated[list[str], Parameter(name="RUN", help="Run folders with summary.json and predictions.csv.")],
    /,
    *,
    network: Annotated[str, Parameter(help="Whose predictions count: ema, net, teacher, ...")] = "ema",
    baseline: Annotated[str | None, Parameter(help="Compare every method with this one alone.")] = None,
    json: options.Json = False,
) -> int:
    """Compare runs on the same clips: errors with intervals, and tests of every pair of methods.

    Runs of one method (over seeds or folds) are taken together. Intervals are bootstrapped over recordings, since clips of one
    recording succeed and fail together. Pairs get McNemar's mid-p test over all clips, and a paired t test over seeds or folds
    where there are several (corrected for overlapping training sets where they are folds); p values are adjusted by Holm's method.

    Examples:
      ossicle compare runs/supervised-seed* runs/fixmatch-seed*
    """
    from ossicle.runs.comparison import compare_pairs, describe_method, gather, read_run

    if len(runs) < 2:
        raise UsageError("one run cannot be compared", hint="name two or more")
    answers = gather([read_run(Path(run).expanduser()) for run in runs], network)
    if len(answers) < 2:
        raise ConfigError(f"all runs are of the method {next(iter(answers))}", hint="name runs of two methods or more")
    if baseline is not None and baseline not in answers:
        raise ConfigError(f"no run is of the method {baseline!r}", hint=f"methods: {', '.join(answers)}")
    methods = [describe_method(a) for a in answers.values()]
    pairs = compare_pairs(list(answers.values()), baseline)
    if json:
        emit_json({"network": network, "methods": methods, "pairs": pairs})
        return 0
    emit(
        table(
            [
                (m["method"], str(m["runs"]), str(m["clips"]), _percent(m["error"]), _interval(m["low"], m["high"]))
                for m in methods
            ],
            ("method", "runs", "answers", "error %", "95 % interval"),
        )
    )
    emit("")
    emit(
        table(
            [
                (
                    p["first"],
                    p["second"],
                    _percent(p["difference"]),
                    _interval(p["low"], p["high"]),
                    f"{p['mcnemar_mid_p']:.3g}",
                    "-" if p["t_p"] is None else f"{p['t_p']:.3g}",
                    f"{p['holm_p']:.3g}",
                )
                for p in pairs
            ],
            (
                "first",
                "second",
                "difference (points)",
                "95 % interval",
                "McNemar mid-p",
                "t test p",
                "McNemar, Holm",
            ),
        )
    )
    return 0


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _interval(low: float, high: float) -> str:
    return f"{_percent(low)} to {_percent(high)}"
