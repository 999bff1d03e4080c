"""How far a generator sees: interval arithmetic from a sample back to the mel frames that it depends on."""

from __future__ import annotations

from ossicle_istftnet.config import GeneratorConfig

Interval = tuple[int, int]
"""First and last index, both included."""

_OUTER_RADIUS = 3
"""Reach of the first and the last convolution, kernel 7."""


def receptive_field(config: GeneratorConfig) -> tuple[int, int]:
    """Return how many frames to the left and right of a frame its samples depend on.

    Exact for every configuration: a generator run on frames [s - left, e + right) gives samples of frames [s, e) that
    equal those of a run on everything.
    """
    frame = 10_000  # far enough inside for no edge to matter
    hop = config.hop_length
    low, high = frames_needed(config, (frame * hop, (frame + 1) * hop - 1))
    return frame - low, high - frame


def frames_needed(config: GeneratorConfig, samples: Interval) -> Interval:
    """Return the mel frames that an interval of samples depends on, edges apart."""
    low, high = samples
    if config.istft_n_fft is not None and config.istft_hop is not None:
        half, hop = config.istft_n_fft // 2, config.istft_hop
        # The first tap of the periodic Hann window is zero: a frame adds nothing to the sample it begins at.
        low, high = -((half - low - 1) // hop), (high + half - 1) // hop
        # One frame is reflected in at the left, so that output frame f sees frame f - 1.
        low, high = low - 1, high - 1
    low, high = low - _OUTER_RADIUS, high + _OUTER_RADIUS
    for rate, kernel in zip(reversed(config.upsample_rates), reversed(config.upsample_kernel_sizes), strict=True):
        radius = block_radius(config)
        padding = (kernel - rate) // 2
        low, high = low - radius, high + radius
        low, high = -((kernel - 1 - low - padding) // rate), (high + padding) // rate
    return low - _OUTER_RADIUS, high + _OUTER_RADIUS


def block_radius(config: GeneratorConfig) -> int:
    """Return the reach of a stage's residual blocks to either side, in its own samples."""
    plain = 1 if config.resblock == "1" else 0
    return max(
        sum((kernel - 1) // 2 * (dilation + plain) for dilation in dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )
