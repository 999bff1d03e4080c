"""`ossicle info`: versions and settings, for a report; imports no torch."""

from __future__ import annotations

from ossicle.cli import options
from ossicle.cli.plain import show_info


def info(*, json: options.Json = False) -> int:
    """Show versions, settings and how many plugins are in which state. Imports no torch; doctor looks deeper."""
    return show_info(json)
