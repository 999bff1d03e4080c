"""The page: the worst clips to hear and to look at, or the worst rows; one HTML file with everything inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ossicle.atomic import write_bytes
from ossicle.errors import OssicleError
from ossicle_outliers.manifest import Entry

SECONDS = 10.0
"""How much of a clip the page plays, so that twenty of them stay a few megabytes."""

_RANGE_DB = 70.0

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #f7f8fa; --card: #fff; --line: #d8dde5; --mark: #b3261e; --calm: #41618a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --paper: #14181e; --card: #1d232b; --line: #38414d; --mark: #ff8a80; --calm: #8fb4e3; }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.4rem; margin: .2rem 0 } p { margin: .3rem 0 .8rem }
svg { width: 100%; height: 7rem; display: block } .axis { display: flex; justify-content: space-between; font-size: .85rem; border-top: 1px solid var(--line) }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1rem; margin-top: 1rem }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; min-width: 0 }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere } h2 b { color: var(--calm) }
.score { font-variant-numeric: tabular-nums; margin: .2rem 0 .5rem } .out { color: var(--mark); font-weight: 600 }
figure { margin: 0 } figcaption { font-size: .8rem; opacity: .8 }
img { width: 100%; height: 9rem; image-rendering: pixelated; border-radius: .25rem; display: block } audio { width: 100%; margin-top: .4rem }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin-top: .4rem } td, th { padding: .1rem .3rem; text-align: right }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere } th { font-weight: 500; opacity: .75 } tr + tr td { border-top: 1px solid var(--line) }
"""


def write_page(
    path: Path,
    entries: Sequence[Entry],
    *,
    scores: npt.NDArray[np.float64],
    threshold: float | None,
    about: Mapping[str, Any],
    sounds: bool,
) -> None:
    """Write the page.

    Parameters
    ----------
    entries
        The ones to show, the worst first.
    scores
        Of everything that was scored, for the histogram.
    threshold
        Where the line is drawn; None: none is.
    about
        Facts for the head: name and value.
    sounds
        Whether entries are sound files, to be heard and seen.
    """
    facts = " · ".join(f"{escape(str(name))} {escape(str(value))}" for name, value in about.items())
    cards = "\n".join(_card(entry, sounds) for entry in entries)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What does not belong</title><style>{_STYLE}</style></head><body>
<h1>What does not belong: the {len(entries)} highest of {len(scores)} scores</h1>
<p>{facts}. Higher is more abnormal; nothing was deleted.</p>
{histogram(scores, threshold)}
<main>
{cards}
</main></body></html>
"""
    write_bytes(path, page.encode())


def _card(entry: Entry, sounds: bool) -> str:
    name = entry.path if entry.row is None else f"row {entry.row}"
    fate = "kept" if entry.keep else '<span class="out">left out</span>'
    heard = _sound(entry.path) if sounds else ""
    doubt = any(t.uncertainty for t in entry.terms)
    head = f"<tr><th>column</th><th>distance</th>{'<th>uncertainty</th>' if doubt else ''}</tr>"
    rows = "".join(
        f"<tr><td>{escape(t.column)}</td><td>{t.bias:.3g}</td>{f'<td>{t.uncertainty:.3g}</td>' if doubt else ''}</tr>"
        for t in entry.terms
    )
    terms = f"<table>{head}{rows}</table>" if rows else ""
    return (
        f"<article><h2><b>{entry.rank}</b> {escape(name)}</h2>"
        f'<p class="score">score {entry.score:.5g}, {fate}</p>{heard}{terms}</article>'
    )


def _sound(path: str) -> str:
    try:
        wave, rate, seconds = _excerpt(Path(path))
    except OssicleError as error:
        return f"<p>{escape(error.what)}</p>"
    from ossicle.audio.files import encode

    audio = base64.b64encode(encode(wave, rate, format="FLAC", subtype="PCM_16")[0]).decode()
    picture = base64.b64encode(_picture(wave, rate)).decode()
    part = f"the first {SECONDS:g} of {seconds:.1f} s" if seconds > SECONDS else f"{seconds:.2f} s"
    return (
        f'<figure><img alt="log-mel spectrogram" src="data:image/png;base64,{picture}">'
        f"<figcaption>{part}, 0 to {rate / 2000:g} kHz (mel), {_RANGE_DB:g} dB from black to white</figcaption></figure>"
        f'<audio controls preload="none" src="data:audio/flac;base64,{audio}"></audio>'
    )


def _excerpt(path: Path) -> tuple[npt.NDArray[np.float32], int, float]:
    from ossicle.audio.files import info, read
    from ossicle.audio.resample import resample_array

    known = info(path)
    clip = read(path, mono=True, frames=round(SECONDS * known.sample_rate))
    rate = min(known.sample_rate, 16_000)
    return resample_array(clip.samples, clip.sample_rate, rate)[0], rate, known.frames / known.sample_rate


def _picture(wave: npt.NDArray[np.float32], rate: int) -> bytes:
    import torch

    from ossicle.runs.report.picture import spectrogram_png
    from ossicle_outliers.sound.front_end import SoundLogMel

    analyse = SoundLogMel(sample_rate=rate, n_fft=512, hop_length=max(1, rate // 100), n_mels=64)
    mel = analyse(torch.from_numpy(wave)).numpy()
    top = max(float(mel.max()), -60.0)
    return spectrogram_png(mel, darkest=top - _RANGE_DB, brightest=top)


def histogram(scores: npt.NDArray[np.float64], threshold: float | None) -> str:
    """Return an SVG histogram of scores with the threshold as a line; counts are drawn as square roots, so that ones are seen."""
    low, high = float(scores.min()), float(scores.max())
    # One far score would squeeze the others into a single bar.
    cut = min(high, float(np.median(scores) + 12 * max(np.subtract(*np.percentile(scores, [75, 25])), 1e-12)))
    counts, edges = np.histogram(np.minimum(scores, cut), bins=60, range=(low, max(cut, low + 1e-12)))
    width, height = 900, 100
    heights = np.sqrt(counts / max(1, counts.max())) * (height - 4)
    step = width / len(counts)
    line = threshold if threshold is not None else np.inf
    bars = "".join(
        f'<rect x="{at * step:.1f}" y="{height - tall:.1f}" width="{step - 1:.1f}" height="{tall:.1f}" '
        f'fill="var(--{"mark" if left >= line else "calm"})"/>'
        for at, (tall, left) in enumerate(zip(heights, edges[:-1], strict=True))
        if tall
    )
    if threshold is not None and low <= threshold <= cut:
        at = (threshold - low) / max(cut - low, 1e-12) * width
        bars += f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height}" stroke="var(--mark)" stroke-dasharray="4 3"/>'
    beyond = f" (and {int((scores > cut).sum())} up to {high:.4g})" if high > cut else ""
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="histogram of scores">{bars}</svg>'
        f'<p class="axis"><span>{low:.4g}</span><span>{cut:.4g}{beyond}</span></p>'
    )
