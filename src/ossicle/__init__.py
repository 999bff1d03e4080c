"""ossicle: a plugin host for audio and signal research.

`get`, `build`, `names` and `plugins` are the whole of it; importing this package loads neither plugins nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ossicle.status import PluginStatus

__all__ = ["__version__", "build", "get", "names", "plugins"]


def get(kind: str, name: str) -> Any:
    """Return the object that a component's target names (see `ossicle.registry.Registry.get`)."""
    from ossicle.registry import default_registry

    return default_registry().get(kind, name)


def build(kind: str, name: str, **config: Any) -> Any:
    """Build a component: ``ossicle.build("vocoder", "istftnet", checkpoint="g_00975000")``."""
    from ossicle.registry import default_registry

    return default_registry().build(kind, name, **config)


def names(kind: str) -> list[str]:
    """Return the sorted names of the components of a kind."""
    from ossicle.registry import default_registry

    return default_registry().names(kind)


def plugins() -> list[PluginStatus]:
    """Return a status record for every plugin found, loaded or not."""
    from ossicle.registry import default_registry

    return list(default_registry().host.statuses)


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ossicle")
        except PackageNotFoundError:
            return "0+unknown"
    raise AttributeError(f"module 'ossicle' has no attribute {name!r}")
