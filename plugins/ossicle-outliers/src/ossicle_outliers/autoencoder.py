"""The autoencoder detector: reconstruction error against rows that mean shift has moved.

The network is trained on everything, outliers among it, and sees rows as they are; what it reconstructs is compared with
the shifted row. An outlier that is reconstructed too well is still far from where its neighbours are. "MSS-PAE: Saving
Autoencoder-based Outlier Detection from Unexpected Reconstruction" (arXiv 2304.00709; Pattern Recognition 163, 2025).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ossicle_outliers.base import BATCH_ROWS, Detector
from ossicle_outliers.distances import ReferenceSize, Shifter, reference_rows
from ossicle_outliers.errors import SettingError
from ossicle_outliers.networks import make_network
from ossicle_outliers.presets import Preset, preset
from ossicle_outliers.scores import bias_and_uncertainty, bias_parts, variance_of
from ossicle_outliers.standardize import SoftTails, Standardizer
from ossicle_outliers.thresholds import Contamination, Floats
from ossicle_outliers.training import train

COLLAPSE_SHARE = 0.2
"""Share of variances within twice the floor above which a fit warns of collapse."""


class VarianceCollapseWarning(UserWarning):
    """Many variances lie on their floor, and scores that divide by them may be upside down."""


@dataclass(frozen=True)
class ScoreParts:
    """Where a row's score comes from, unweighted.

    Parameters
    ----------
    bias
        (n, d): squared distance of each column's reconstruction to its target, over the variance if there is one.
    uncertainty
        (n, d): logarithm of each column's variance; zero for a plain autoencoder.
    distance
        (n, d): squared distance of each column to its shifted self; zero without a shift. How far the neighbours are is no sum
        over columns, and not among them.
    """

    bias: Floats
    uncertainty: Floats
    distance: Floats


class AutoencoderDetector(Detector):
    """Reconstruction error of an autoencoder against mean-shifted rows, with APRE's weights; honest without labels.

    Every setting that is None takes the preset's value. Settings are read by `fit`; only `contamination` acts at once.

    Parameters
    ----------
    network
        ``pae`` (probabilistic: a variance for every column) or ``ae``.
    alpha, beta
        Weights of bias and uncertainty in the score, 0 or more; training has both at one. An ``ae`` has no uncertainty.
    variance_floor
        Added to every variance, above 0.
    shift_steps
        How often the rows that reconstructions are compared with are shifted; 0: not at all.
    neighbors
        k of the shift, the row itself among them, 1 to the size of the reference sample. A preset's k is lowered where
        there are fewer rows.
    seed
        Of initial weights, batches, held-out rows and reference sample; equal seeds, equal bits on one machine.
    preset
        ``default`` or ``paper``; see `ossicle_outliers.presets`.
    distance_weight, neighbor_share
        Share of distances in the score, and of them that to the k-th neighbour in the samples, 0 to 1; see
        `ossicle_outliers.presets.Preset`.
    tail_from
        Interquartile ranges beyond which a column grows by the logarithm alone; 0: nowhere.
    reference_size
        Rows drawn as the sample that all are shifted among, or ``all``.
    epochs, steps, batch_size, learning_rate, held_out
        See `ossicle_outliers.training.Training`; epochs given alone lift the preset's limit of steps. A batch size of 0
        means all rows.
    contamination
        See `ossicle_outliers.thresholds.threshold_of`; can be set after fit.
    search
        Engine of `ossicle_outliers.neighbors.search`.
    device
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...

    Attributes
    ----------
    decision_scores_, threshold_, labels_, n_features_in_
        As every detector has them.
    k_, steps_, variance_floor_
        What was used.
    history_
        `ossicle_outliers.training.History`.
    diagnostics_
        ``variance_at_floor``: share of variances within twice the floor; ``reference_rows``; ``kept_step``.
    """

    component = "autoencoder"

    def __init__(
        self,
        network: str = "pae",
        *,
        alpha: float | None = None,
        beta: float | None = None,
        variance_floor: float | None = None,
        shift_steps: int | None = None,
        neighbors: int | None = None,
        seed: int = 0,
        preset: str = "default",
        distance_weight: float | None = None,
        neighbor_share: float | None = None,
        tail_from: float | None = None,
        reference_size: ReferenceSize | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        held_out: float | None = None,
        contamination: Contamination = "auto",
        search: str = "auto",
        device: str = "auto",
    ) -> None:
        self.network = network
        self.alpha = alpha
        self.beta = beta
        self.variance_floor = variance_floor
        self.shift_steps = shift_steps
        self.neighbors = neighbors
        self.seed = seed
        self.preset = preset
        self.distance_weight = distance_weight
        self.neighbor_share = neighbor_share
        self.tail_from = tail_from
        self.reference_size = reference_size
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.held_out = held_out
        self.contamination = contamination
        self.search = search
        self.device = device

    def settings(self) -> Preset:
        """Return the preset with this detector's own settings in it.

        Raises
        ------
        SettingError
            If one is out of its range.
        """
        base = preset(self.preset)
        scoring = ("alpha", "beta", "variance_floor", "distance_weight", "neighbor_share", "tail_from")
        shifting = ("shift_steps", "neighbors", "reference_size")
        given = {name: getattr(self, name) for name in (*scoring, *shifting) if getattr(self, name) is not None}
        trained = {
            name: getattr(self, name)
            for name in ("epochs", "steps", "learning_rate", "held_out")
            if getattr(self, name) is not None
        }
        if self.epochs is not None and self.steps is None:
            trained["steps"] = None
        if self.batch_size is not None:
            trained["batch_size"] = self.batch_size or None
        merged = replace(base, **given, training=replace(base.training, **trained))
        _check(merged)
        return merged

    def _learn(self, rows: Floats) -> Any:
        used = self.settings()
        network = make_network(rows.shape[1], self.network, seed=self.seed)
        device = _device(self.device)
        self.tails_ = SoftTails.of(rows, used.tail_from) if used.tail_from else None
        rows = self.tails_(rows) if self.tails_ else rows
        self.standardizer_ = Standardizer.of(rows, used.scale_offset)
        table = torch.from_numpy(self.standardizer_(rows)).to(device)
        samples = self._samples(len(rows), used)
        fewest = len(samples[0])
        self.k_ = used.neighbors if self.neighbors is not None else min(used.neighbors, fewest)
        self.steps_, self.variance_floor_ = used.shift_steps, used.variance_floor
        share = used.neighbor_share if self.steps_ and used.distance_weight else 0.0
        self.near_k_ = min(self.k_, fewest - 1) if share else 0
        self.weights_ = (used.alpha, used.beta, used.distance_weight, share)
        how = (self.k_, self.steps_, self.search)
        fitted = [Shifter.fit(table, sample.to(device), *how, away=self.near_k_) for sample in samples]
        self.shifters_ = [shifter for shifter, _, _ in fitted]
        targets = [moved[-1] for _, moved, _ in fitted] if self.steps_ else [table]
        away = torch.stack([distances for _, _, distances in fitted]).mean(0)
        network = network.to(device)
        self.history_ = train(
            network, table.float(), used.training, seed=self.seed, variance_floor=self.variance_floor_
        )
        # Scores in float64: rows that differ little still differ in score, and devices agree.
        self.network_ = network.double()
        self._diagnose(table, fewest)
        pieces = [
            self._raw_scores(table[at : at + BATCH_ROWS], [target[at : at + BATCH_ROWS] for target in targets])
            for at in range(0, len(table), BATCH_ROWS)
        ]
        parts = [*(torch.cat(part) for part in zip(*pieces, strict=True)), away]
        self.units_ = tuple(_unit(part) for part in parts)
        return self._blend(*parts)

    def _score(self, rows: Floats) -> Any:
        table = self._table(rows)
        if not self.steps_:
            return self._blend(*self._raw_scores(table, [table]), table.new_zeros(len(table)))
        looks = [shifter.look(table, self.near_k_) for shifter in self.shifters_]
        away = torch.stack([distances for _, distances in looks]).mean(0)
        return self._blend(*self._raw_scores(table, [moved[-1] for moved, _ in looks]), away)

    def score_parts(self, X: Any) -> ScoreParts:
        """Return what makes the scores of rows (n, d), column by column."""
        self._check_fitted()
        table = self._table(self._rows(X))
        targets = torch.stack(self._targets(table))
        mean, raw = self._reconstruct(table)
        variance = variance_of(raw, self.variance_floor_)
        bias = bias_parts(targets, mean, variance).mean(0)
        uncertainty = torch.zeros_like(bias) if variance is None else variance.log()
        distance = (table - targets).square().mean(0)
        return ScoreParts(*(part.cpu().numpy() for part in (bias, uncertainty, distance)))

    def _table(self, rows: Floats) -> Tensor:
        rows = self.tails_(rows) if self.tails_ else rows
        return torch.from_numpy(self.standardizer_(rows)).to(next(self.network_.parameters()).device)

    def _samples(self, n: int, used: Preset) -> list[Tensor]:
        first = reference_rows(n, used.reference_size, self.seed)
        if len(first) == n or not used.shift_steps:
            return [first]
        others = (reference_rows(n, used.reference_size, self.seed, draw) for draw in range(1, used.reference_draws))
        return [first, *others]

    def _targets(self, table: Tensor) -> list[Tensor]:
        """Return what reconstructions of rows (n, d) are compared with: the rows as every sample shifts them."""
        return [shifter(table)[-1] for shifter in self.shifters_] if self.steps_ else [table]

    @torch.no_grad()
    def _reconstruct(self, table: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.network_(table)

    def _raw_scores(self, table: Tensor, targets: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the network's score and the distance to the targets, (n,) each, means over the targets."""
        alpha, beta, *_ = self.weights_
        mean, raw = self._reconstruct(table)
        bias, uncertainty = bias_and_uncertainty(mean, raw, targets, self.variance_floor_)
        distances = torch.stack([(table - target).square().sum(1).sqrt() for target in targets])
        return alpha * bias.mean(0) + beta * uncertainty, distances.mean(0)

    def _blend(self, network: Tensor, distance: Tensor, away: Tensor) -> Floats:
        weight, share = self.weights_[2] if self.steps_ else 0.0, self.weights_[3]
        if not weight:
            return network.cpu().numpy()
        shares = (1 - weight, weight * (1 - share), weight * share)
        parts = zip(shares, (network, distance, away), self.units_, strict=True)
        return sum(w * (part - middle) / spread for w, part, (middle, spread) in parts if w).cpu().numpy()  # type: ignore[union-attr]

    def _diagnose(self, table: Tensor, reference: int) -> None:
        low = 0.0
        for rows in table.split(BATCH_ROWS):
            variance = variance_of(self._reconstruct(rows)[1], self.variance_floor_)
            low += 0.0 if variance is None else float((variance < 2 * self.variance_floor_).sum())
        share = low / table.numel()
        self.diagnostics_ = {
            "variance_at_floor": share,
            "reference_rows": reference,
            "kept_step": self.history_.kept_step,
        }
        # A floor as high as the data's own variance is a choice; one far below it is where scores turn upside down.
        if share > COLLAPSE_SHARE and self.variance_floor_ < 0.1:
            warnings.warn(
                f"{share:.0%} of the variances are within twice their floor of {self.variance_floor_:g}: "
                "scores that divide by them may be upside down; raise variance_floor (0.3 works) or train for less long",
                VarianceCollapseWarning,
                stacklevel=4,
            )

    def _state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        values = {
            "k": self.k_,
            "steps": self.steps_,
            "samples": len(self.shifters_),
            "variance_floor": self.variance_floor_,
            "weights": list(self.weights_),
            "near_k": self.near_k_,
            "tail_from": self.tails_.beyond if self.tails_ else 0.0,
            "units": [list(unit) for unit in self.units_],
            "diagnostics": self.diagnostics_,
        }
        tensors = {f"network.{name}": value for name, value in self.network_.state_dict().items()}
        if self.steps_:
            for draw, shifter in enumerate(self.shifters_):
                tensors |= {f"cloud.{draw}.{step}": cloud for step, cloud in enumerate(shifter.clouds)}
        tensors |= self.tails_.tensors() if self.tails_ else {}
        return values, tensors | self.standardizer_.tensors()

    def _restore(self, values: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.standardizer_ = Standardizer.from_tensors(tensors)
        self.k_, self.steps_ = int(values["k"]), int(values["steps"])
        self.variance_floor_ = float(values["variance_floor"])
        # Folders of before have neither tails nor neighbours in them.
        alpha, beta, distance_weight, share = (*values["weights"], 0.0)[:4]
        self.weights_ = (float(alpha), float(beta), float(distance_weight), float(share))
        self.near_k_, beyond = int(values.get("near_k", 0)), float(values.get("tail_from", 0.0))
        self.tails_ = SoftTails.from_tensors(tensors, beyond) if beyond else None
        units = [(float(middle), float(spread)) for middle, spread in values["units"]]
        self.units_ = tuple([*units, (0.0, 1.0)][:3])
        self.diagnostics_ = dict(values["diagnostics"])
        self.network_ = make_network(len(self.standardizer_.mean), self.network).double().eval()
        weights = {
            name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")
        }
        self.network_.load_state_dict(weights)
        self.shifters_ = [
            Shifter([tensors[f"cloud.{draw}.{step}"] for step in range(self.steps_)], self.k_, self.search)
            for draw in range(int(values["samples"]))
        ]


def _check(used: Preset) -> None:
    training = used.training
    for name, value, fine, range_ in (
        ("alpha", used.alpha, used.alpha >= 0, "0 or more"),
        ("beta", used.beta, used.beta >= 0, "0 or more"),
        ("variance_floor", used.variance_floor, used.variance_floor > 0, "above 0"),
        ("shift_steps", used.shift_steps, used.shift_steps >= 0, "0 or more"),
        ("neighbors", used.neighbors, used.neighbors >= 1, "1 or more"),
        ("distance_weight", used.distance_weight, 0 <= used.distance_weight <= 1, "from 0 to 1"),
        ("neighbor_share", used.neighbor_share, 0 <= used.neighbor_share <= 1, "from 0 to 1"),
        ("tail_from", used.tail_from, used.tail_from >= 0, "0 or more"),
        ("epochs", training.epochs, training.epochs >= 0, "0 or more"),
        ("steps", training.steps, training.steps is None or training.steps >= 0, "0 or more"),
        ("batch_size", training.batch_size, training.batch_size is None or training.batch_size >= 1, "0 or more"),
        ("learning_rate", training.learning_rate, training.learning_rate > 0, "above 0"),
        ("held_out", training.held_out, 0 <= training.held_out < 1, "from 0 to below 1"),
    ):
        if not fine:
            raise SettingError(f"{name} is {value}", why=f"it must be {range_}")


def _unit(scores: Tensor) -> tuple[float, float]:
    """Return the median of scores (n,) and a spread that outliers hardly move: from there to the 84th percentile."""
    middle, upper = np.percentile(scores.cpu().numpy(), [50.0, 84.13])
    return float(middle), float(upper - middle) or 1.0


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise SettingError(f"there is no device {name!r}", hint="use auto, cpu or cuda") from error
