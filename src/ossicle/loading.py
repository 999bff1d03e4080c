"""Loading one entry point without letting its faults out: guarded import, captured output, checked signatures."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
import io
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from ossicle import hookspecs
from ossicle.errors import OssicleError
from ossicle.status import PluginStatus

_HEAVY = ("torch", "torchaudio", "numpy", "scipy", "librosa", "soundfile", "sklearn", "pandas", "matplotlib")
_SLOW_S = 0.3


def describe_fault(error: BaseException) -> str:
    """Return an exception's type, message and last place in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {one_line(error)}{place}"


def one_line(error: BaseException) -> str:
    """Return an exception's message in one line."""
    if isinstance(error, OssicleError):
        return f"{error.what}; {error.why}" if error.why else error.what
    return " ".join(str(error).split()) or "no message"


def debugging() -> bool:
    """Return whether ``OSSICLE_DEBUG`` asks for faults to come through."""
    return os.environ.get("OSSICLE_DEBUG", "") not in ("", "0")


def pass_on(error: BaseException) -> None:
    """Raise what is not a plugin's to swallow: an interruption, and every fault where debugging is asked for."""
    if isinstance(error, KeyboardInterrupt) or debugging():
        raise error


def unmet_version(distribution: importlib.metadata.Distribution) -> str | None:
    """Return what a distribution demands of ossicle that this version is not, or None."""
    wanted = [text for text in distribution.requires or () if re.match(r"ossicle(?![\w.-])", text, re.IGNORECASE)]
    if not wanted:
        return None
    from packaging.requirements import InvalidRequirement, Requirement

    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version("ossicle")
        except importlib.metadata.PackageNotFoundError:
            return None
        if not requirement.specifier.contains(version, prereleases=True):
            return f"it needs ossicle{requirement.specifier}; this is ossicle {version}"
    return None


def guarded_import(status: PluginStatus) -> Any:
    """Import an entry point's module and note what it prints and drags in; a fault breaks its status and gives None."""
    before = {name for name in _HEAVY if name in sys.modules}
    started = time.perf_counter()
    module_name, _, attribute = status.target.partition(":")
    try:
        with capture() as printed:
            module: Any = importlib.import_module(module_name.strip())
            for part in filter(None, attribute.strip().split(".")):
                module = getattr(module, part)
    except BaseException as error:
        pass_on(error)
        status.fail("broken", "import", describe_fault(error), "report it to the plugin's authors, or uninstall it")
        return None
    if printed.getvalue().strip():
        first_line = printed.getvalue().strip().splitlines()[0][:80]
        status.notes.append(f"prints at import: {first_line}")
    heavy = [name for name in _HEAVY if name in sys.modules and name not in before]
    took = time.perf_counter() - started
    if heavy:
        status.notes.append(
            f"heavy import: its entry-point module imports {', '.join(heavy)}; name code by target instead"
        )
    elif took > _SLOW_S:
        status.notes.append(f"heavy import: its entry-point module takes {took:.1f} s to import")
    return module


@contextlib.contextmanager
def capture() -> Iterator[io.StringIO]:
    """Keep what a plugin prints off the real streams: stdout belongs to results."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def signature_fault(module: Any) -> str | None:
    """Return why a hook implementation's signature is refused; pluggy versions differ on what they let through."""
    known = {name for name in vars(hookspecs) if name.startswith("ossicle_")}
    for name, function in _implementations(module):
        if name not in known:
            return f"there is no hook {name}; the hooks are {', '.join(sorted(known))}"
        offered = set(inspect.signature(getattr(hookspecs, name)).parameters)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                return f"{name} takes *{parameter.name}; name the arguments it uses"
            if parameter.name not in offered and parameter.name != "self":
                return f"{name} takes an argument {parameter.name!r} that the hook does not offer"
            if parameter.default is not parameter.empty:
                return (
                    f"{name} gives its argument {parameter.name!r} a default, which pluggy versions treat differently"
                )
    return None


def _implementations(module: Any) -> Iterable[tuple[str, Any]]:
    for name in dir(module):
        function = getattr(module, name, None)
        marked = getattr(function, "ossicle_impl", None)
        if callable(function) and marked:
            yield marked.get("specname") or name, function
        elif name.startswith("ossicle_") and inspect.isfunction(function) and name not in vars(hookspecs):
            yield name, function
