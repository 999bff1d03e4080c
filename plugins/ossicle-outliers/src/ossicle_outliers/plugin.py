"""The entry point: records only, so that listing plugins costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Command, Component, hookimpl

_DETECTORS = (
    (
        "autoencoder",
        "autoencoder:AutoencoderDetector",
        "reconstruction error against mean-shifted rows (AE, PAE, APRE)",
    ),
    ("mod", "distances:MODDetector", "how far a row moves under mean shift"),
    ("knn", "distances:KNNDetector", "distance to the k-th nearest row"),
    ("pyod", "pyod_detector:PyODDetector", "any detector of PyOD by its name"),
)

_KERNELS = (
    ("neighbor-shortlist", "shortlist:NeighborShortlistKernel", "distances and a running top-k in one pass"),
    (
        "reconstruction-score",
        "score:ReconstructionScoreKernel",
        "bias of up to four targets and uncertainty in one pass",
    ),
)


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield the detectors and the kernels."""
    for name, target, summary in _DETECTORS:
        chosen = name == "autoencoder"
        example = "ossicle_outliers.examples:autoencoder" if chosen else ""
        yield Component(
            "outlier-detector", name, f"ossicle_outliers.{target}", summary, default=chosen, example=example
        )
    for name, target, summary in _KERNELS:
        yield Component("kernel", name, f"ossicle_outliers.kernels.{target}", summary)


@hookimpl
def ossicle_commands() -> Iterator[Command]:
    """Yield `ossicle outliers`."""
    yield Command("outliers", "ossicle_outliers.commands.app:app", "Find clips or rows that do not belong.")
