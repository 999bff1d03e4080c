"""The published protocol, which looks at labels three times: what a detector could do if an oracle chose for it.

k of the shift and the epoch of each seed are chosen by ROC AUC on a validation part, and the seed that is reported by ROC AUC on the
test part. Mean and spread over the seeds stand beside: what is left when the last look is not taken. Protocol: the published code
of arXiv 2304.00709.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ossicle.runs.report import Chart, Curves, Line, Section, Table, Text, leave_report
from ossicle_outliers.measures import roc_auc
from ossicle_outliers.networks import Autoencoder, make_network
from ossicle_outliers.recipes.options import Options
from ossicle_outliers.recipes.results import Results, write_table
from ossicle_outliers.recipes.tables import read_table
from ossicle_outliers.scores import bias_and_uncertainty
from ossicle_outliers.shift import mean_shift
from ossicle_outliers.standardize import Standardizer
from ossicle_outliers.training import Training, train

WARNING = (
    "LABELS WERE USED: k and epochs were chosen by labels of a validation part, the best seed by labels of the test part. "
    "These are no results of unsupervised detection."
)
_STEPS = 3


@dataclass(frozen=True)
class Split:
    """Standardised rows, float64: the fitted ones (train and validation), which of them validate, the test; and labels."""

    fitted: Tensor
    valid: Tensor
    test: Tensor
    y_valid: npt.NDArray[np.int64]
    y_test: npt.NDArray[np.int64]


def split(x: npt.NDArray[np.float64], y: npt.NDArray[np.int64], seed: int) -> Split:
    """Return half of the rows for training, a quarter for validation and a quarter for the test, stratified by label.

    Training and validation rows, outliers among them, are standardised together, and fitted on together.
    """
    draw = np.random.default_rng(seed)
    parts: list[list[int]] = [[], [], []]
    for label in (0, 1):
        own = draw.permutation(np.flatnonzero(y == label))
        first, second = round(0.5 * len(own)), round(0.75 * len(own))
        for part, rows in zip(parts, np.split(own, [first, second]), strict=True):
            part += rows.tolist()
    train_rows, valid, test = (np.sort(np.array(part)) for part in parts)
    fitted = np.concatenate([train_rows, valid])
    standardize = Standardizer.of(x[fitted], 1e-5)
    return Split(
        torch.from_numpy(standardize(x[fitted])),
        torch.arange(len(train_rows), len(fitted)),
        torch.from_numpy(standardize(x[test])),
        y[valid],
        y[test],
    )


Targets = dict[int, list[Tensor]]
"""By k: what reconstructions are compared with after 1, 2 and 3 steps."""


def targets(data: Split, ks: Sequence[int]) -> tuple[Targets, Targets]:
    """Return the targets of validation rows, shifted among the fitted ones, and of test rows, shifted as new ones."""
    valid, test = {}, {}
    for k in ks:
        valid[k] = [cloud[data.valid] for cloud in mean_shift(data.fitted, k, _STEPS)]
        test[k] = mean_shift(data.fitted, k, _STEPS, queries=data.test)
    return valid, test


class Scorer:
    """Scores rows against several targets by a network's reconstruction."""

    def __init__(self, alpha: float, beta: float, floor: float) -> None:
        self._alpha, self._beta, self._floor = alpha, beta, floor

    @torch.no_grad()
    def __call__(self, network: Autoencoder, rows: Tensor, wanted: Sequence[Tensor]) -> npt.NDArray[np.float64]:
        """Return scores (targets, rows)."""
        network.eval()
        mean, raw = network(rows.float())
        bias, uncertainty = bias_and_uncertainty(mean, raw, [target.float() for target in wanted], self._floor)
        network.train()
        return (self._alpha * bias + self._beta * uncertainty).double().numpy()


def best_epochs(
    data: Split, scorer: Scorer, chosen: Sequence[Tensor], settings: dict[str, Any], seed: int, look: Callable[..., Any]
) -> list[Any]:
    """Train one seed, and return for each validation target what `look(network)` gave at its best epoch by validation AUC."""
    best = [-1.0] * len(chosen)
    found: list[Any] = [None] * len(chosen)
    rows = data.fitted[data.valid]

    def watch(epoch: int, network: Autoencoder) -> None:
        if epoch % settings["look_every"]:
            return
        aucs = [roc_auc(scores, data.y_valid) for scores in scorer(network, rows, chosen)]
        better = [at for at, auc in enumerate(aucs) if auc > best[at]]
        if better:
            seen = look(network)
            for at in better:
                best[at], found[at] = aucs[at], seen[at]

    network = make_network(data.fitted.shape[1], "pae", seed=seed)
    training = Training(epochs=settings["epochs"], learning_rate=settings["learning_rate"], halve_every=1000)
    train(network, data.fitted.float(), training, seed=seed, variance_floor=settings["variance_floor"], watch=watch)
    return found


def run(options: Options) -> int:
    """Follow the protocol, say that labels were used, and write best, mean and spread over seeds."""
    print(WARNING)
    own = options.settings["run"]
    x, y = read_table(options.need("data"), own["table"])
    data = split(x, y, own["split_seed"])
    results = Results(options.out, options.settings)
    scorer = Scorer(own["alpha"], own["beta"], own["variance_floor"])
    valid, test = targets(data, own["neighbors"])
    rows = data.fitted[data.valid]
    ks = results.measure({"what": "k"}, lambda: _choose_k(data, scorer, valid, own))
    options.say(f"k by validation AUC: {ks}")
    own_valid = [rows, *(valid[ks[str(m)]][m - 1] for m in range(1, _STEPS + 1))]
    own_test = [data.test, *(test[ks[str(m)]][m - 1] for m in range(1, _STEPS + 1))]
    for seed in range(own["seeds"]):

        def work(seed: int = seed) -> dict[str, float]:
            look = lambda network: [roc_auc(s, data.y_test) for s in scorer(network, data.test, own_test)]  # noqa: E731
            return {str(m): auc for m, auc in enumerate(best_epochs(data, scorer, own_valid, own, seed, look))}

        found = results.measure({"what": "auc", "seed": seed}, work)
        options.say(f"seed {seed}: " + "  ".join(f"shift {m} {auc:.4f}" for m, auc in found.items()))
    lines = [row for row in results.rows() if row["what"] == "auc"]
    table = []
    for m in range(_STEPS + 1):
        aucs = [line[str(m)] for line in lines]
        table.append(
            {
                "shift_steps": m,
                "neighbors": "" if m == 0 else ks[str(m)],
                "seeds": len(aucs),
                "best_by_test_labels": max(aucs),
                "mean": statistics.fmean(aucs),
                "sd": statistics.stdev(aucs) if len(aucs) > 1 else "",
            }
        )
    write_table(options.out / "results.csv", table)
    for line in table:
        spread = f" (sd {line['sd']:.4f})" if line["sd"] != "" else ""
        print(
            f"shift {line['shift_steps']}, k {line['neighbors'] or '-'}: "
            f"best of {line['seeds']} seeds {line['best_by_test_labels']:.4f}, mean {line['mean']:.4f}{spread}"
        )
    leave_report(options.out, _sections(table, lines), say=options.say)
    print(options.out / "results.csv")
    return 0


def _sections(table: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> list[Section]:
    columns = ("shift steps", "k", "seeds", "best by test labels", "mean", "sd")
    rows = [[value if value != "" else None for value in line.values()] for line in table]
    seeds = [line["seed"] for line in lines]
    drawn = [Line(f"{m} shifts", seeds, [line[str(m)] for line in lines]) for m in range(_STEPS + 1)]
    return [
        Text("Labels were used", [WARNING], notice=True),
        Table("ROC AUC on the test part", columns, rows),
        Curves("Seed by seed", [Chart("ROC AUC", drawn, "seed")]),
    ]


def _choose_k(data: Split, scorer: Scorer, valid: Targets, own: dict[str, Any]) -> dict[str, int]:
    rows = data.fitted[data.valid]
    everything = [target for shifted in valid.values() for target in shifted]
    look = lambda network: [scorer(network, rows, everything)]  # noqa: E731
    mean = np.mean([best_epochs(data, scorer, [rows], own, seed, look)[0] for seed in range(own["k_seeds"])], axis=0)
    aucs = np.array([roc_auc(scores, data.y_valid) for scores in mean]).reshape(len(valid), _STEPS)
    return {str(m + 1): list(valid)[int(aucs[:, m].argmax())] for m in range(_STEPS)}
