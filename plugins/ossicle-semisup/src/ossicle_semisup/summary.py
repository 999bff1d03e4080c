"""What a finished run found: predictions of every test clip, errors, confusion, quality of the guesses."""

from __future__ import annotations

import csv
import io
from typing import Any

import torch

from ossicle.atomic import write_bytes
from ossicle.runs.folder import RunFolder
from ossicle_semisup.options import Options
from ossicle_semisup.preparation import Prepared
from ossicle_semisup.trainer import SemiTrainer

SUMMARY = "summary.json"
PREDICTIONS = "predictions.csv"


def summarise(trainer: SemiTrainer, ready: Prepared, options: Options, folder: RunFolder) -> dict[str, Any]:
    """Evaluate at the last step, write the predictions of every test clip, and return what the run found."""
    test = ready.parts["test"]
    truth = torch.tensor([ready.records[i].label for i in test])
    networks = trainer.networks()
    first = next(iter(networks))
    guessed = {name: trainer.predict(network, test).argmax(dim=1) for name, network in networks.items()}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "source", "speaker", "label", *(f"predicted_{name}" for name in guessed)])
    for row, index in enumerate(test):
        record = ready.records[index]
        where = record.path.relative_to(options.data) if record.path.is_relative_to(options.data) else record.path
        table.writerow([where, record.source, record.speaker, record.label, *(int(g[row]) for g in guessed.values())])
    write_bytes(folder.path / PREDICTIONS, text.getvalue().encode())
    errors = {name: float((g != truth).double().mean()) for name, g in guessed.items()}
    classes = len(ready.labels)
    confusion = torch.bincount(truth * classes + guessed["ema"], minlength=classes**2).view(classes, classes)
    config = trainer.config
    return {
        "method": options.method,
        "error_rate": errors[first],
        "error_rate_ema": errors["ema"],
        "error_rates": errors,
        "n_labeled": len(ready.parts["labeled"]),
        "n_unlabeled": len(ready.parts["unlabeled"]),
        "n_test": len(test),
        "tested_on": "held-out training clips" if options.settings["data"]["test_on_valid"] else "test set",
        "seed": config.seed,
        "fold": options.fold,
        "steps": trainer.step_number,
        "wall_s": round(trainer.spent[0], 3),
        "cpu_s": round(trainer.spent[1], 3),
        "labels": list(ready.labels),
        "confusion_ema": confusion.tolist(),
        "guesses_by_true_class": trainer.monitor.table.tolist(),
        "warnings": [*ready.warnings, *trainer.monitor.warnings],
    }
