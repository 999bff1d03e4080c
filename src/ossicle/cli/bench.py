"""`ossicle bench`: measurements of what is in the registry, side by side."""

from __future__ import annotations

from cyclopts import App

app = App(name="bench", help="Measure vocoders and kernels, side by side in one run.", version_flags=[])
app.command(
    "ossicle.cli.bench_vocode:bench_vocode", name="vocode", help="Measure vocoders' quality and speed on real sound."
)
app.command("ossicle.cli.bench_kernels:bench_kernels", name="kernels", help="Time every kernel against its reference.")
