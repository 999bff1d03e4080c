"""The entry point: records only, so that listing plugins costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Component, hookimpl

_ADAPTERS: tuple[tuple[str, str, str], ...] = ()

_CORRUPTIONS: tuple[tuple[str, str, str], ...] = ()

_KERNELS: tuple[tuple[str, str, str], ...] = ()


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield adapters, corruptions and kernels."""
    for kind, rows in (("adapter", _ADAPTERS), ("corruption", _CORRUPTIONS), ("kernel", _KERNELS)):
        for name, target, summary in rows:
            yield Component(kind, name, f"ossicle_unmix_tns.{target}", summary)
