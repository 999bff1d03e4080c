"""The reference: a page for every package, filled from docstrings when the site is built."""

from __future__ import annotations

from pathlib import Path

from site_pages import ROOT

_HIDDEN = ("ossicle.cli", "ossicle.loading", "ossicle.testing.fake_distributions", "ossicle.audio.quality.align")
"""The command line has pages of its own, two are the inside of other modules; `align` is shown by its package."""

PAGES = {
    "core": ("The core", "What plugins and scripts import first.", ""),
    "audio": ("ossicle.audio", "Sound, mels, measures, classifiers.", "audio"),
    "training": ("ossicle.training", "What training loops share.", "training"),
    "runs": ("ossicle.runs", "Run folders, reports, statistics.", "runs"),
    "testing": ("ossicle.testing", "The conformance kit.", "testing"),
}
PLUGINS = ("ossicle_istftnet.vocoder", "ossicle_semisup", "ossicle_unmix_tns", "ossicle_outliers")
"""Public names of the house's plugins; everything else of theirs is built through the registry."""


def modules() -> list[str]:
    """Return the public modules of the core by their dotted names."""
    source = ROOT / "src"
    found = []
    for path in sorted((source / "ossicle").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(_HIDDEN) and not any(part.startswith("_") for part in name.split(".")):
            found.append(name)
    return found


def pages() -> dict[str, str]:
    """Return the reference's pages: name to Markdown."""
    found = {}
    for page, (title, what, package) in PAGES.items():
        own = [name for name in modules() if _package(name) == package]
        found[page] = f"# {title}\n\n{what}\n\n{_automodules(own)}"
    found["plugins"] = (
        "# Plugins of the house\n\nComponents are built through the registry, `ossicle.build(kind, name, **settings)`; "
        f"these names can be imported.\n\n{_automodules(list(PLUGINS))}"
    )
    return found


def _package(name: str) -> str:
    parts = name.split(".")
    inside = len(parts) > 1 and (Path(ROOT, "src", *parts[:2]).is_dir())
    return parts[1] if inside else ""


def _automodules(names: list[str]) -> str:
    return "".join(
        f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :show-inheritance:\n```\n\n"
        for name in names
    )
