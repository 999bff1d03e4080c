"""Fast paths: an operation has a plain reference and accelerated twins; `pick` chooses by device and environment.

``OSSICLE_KERNELS=reference`` forbids every twin, ``auto`` (the default) takes one where it runs, and a component's name
takes that one for its operation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from ossicle.errors import ConfigError, PluginError, UnknownNameError
from ossicle.registry import Found, Registry, default_registry

VARIABLE = "OSSICLE_KERNELS"


def twins_allowed() -> bool:
    """Return whether anything but plain references may run: not where ``OSSICLE_KERNELS=reference``."""
    return os.environ.get(VARIABLE, "auto") != "reference"


@dataclass(frozen=True)
class Choice:
    """What runs for an operation: ``reference`` or a component's name, and why."""

    op: str
    component: str
    chosen: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """Return plain values."""
        return asdict(self)


def pick(
    op: str, *, device: str, dtype: str = "float32", fallback: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """Return the callable that computes an operation here.

    Parameters
    ----------
    op
        The operation, such as ``istft-head``.
    device, dtype
        Device type and dtype of the arguments, such as ``cuda`` and ``float32``.
    fallback
        The plain reference, for where no plugin offers the operation or the registry is empty.

    Raises
    ------
    ConfigError
        If ``OSSICLE_KERNELS`` names a kernel that does not exist.
    UnknownNameError
        If no plugin offers the operation and there is no fallback.
    """
    return _pick(op, device, dtype, os.environ.get(VARIABLE, "auto"), fallback, default_registry())


@lru_cache(maxsize=256)
def _pick(
    op: str, device: str, dtype: str, wish: str, fallback: Callable[..., Any] | None, registry: Registry
) -> Callable[..., Any]:
    kernels = _load_all(registry)
    _check_wish(wish, registry)
    for name, kernel in kernels:
        if kernel.op == op and _reason_against(name, kernel, device, dtype, wish) is None:
            return kernel.accelerated
    if fallback is not None:
        return fallback
    for _, kernel in kernels:
        if kernel.op == op:
            return kernel.reference
    raise UnknownNameError(
        f"no kernel computes {op!r}", hint=f"known: {', '.join(sorted({k.op for _, k in kernels})) or 'none'}"
    )


def choices(*, device: str, dtype: str = "float32") -> list[Choice]:
    """Return what `pick` chooses for every registered kernel on a device, and why."""
    wish = os.environ.get(VARIABLE, "auto")
    registry = default_registry()
    _check_wish(wish, registry)
    rows = []
    for name, kernel in _load_all(registry):
        against = _reason_against(name, kernel, device, dtype, wish)
        rows.append(
            Choice(kernel.op, name, "reference" if against else name, against or f"runs on {device} in {dtype}")
        )
    return rows


def _load_all(registry: Registry) -> list[tuple[str, Any]]:
    loaded = []
    for found in registry.all("kernel"):
        try:
            loaded.append((_name(found, registry), registry.build("kernel", found.qualified)))
        except PluginError:
            continue  # It is shown as broken; the reference serves.
    return loaded


def _name(found: Found, registry: Registry) -> str:
    bare = found.component.name
    return bare if bare in registry.names("kernel") else found.qualified


def _check_wish(wish: str, registry: Registry) -> None:
    names = registry.names("kernel")
    if wish not in ("auto", "reference", *names):
        raise ConfigError(
            f"{VARIABLE} is {wish!r}",
            why="no kernel has that name",
            hint=f"use reference, auto or one of: {', '.join(names) or '(none installed)'}",
        )


def _reason_against(name: str, kernel: Any, device: str, dtype: str, wish: str) -> str | None:
    if wish == "reference":
        return f"{VARIABLE}=reference"
    if wish not in ("auto", name):
        return f"{VARIABLE}={wish}"
    if not kernel.supports(device, dtype):
        return f"the fast path does not run on {device} in {dtype}"
    return None
