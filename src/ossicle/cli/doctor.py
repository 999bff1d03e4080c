"""`ossicle doctor`: try what the commands rely on, and say what is wrong and what mends it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from ossicle import kernels
from ossicle.cli import options
from ossicle.cli.console import emit, emit_json
from ossicle.errors import OssicleError, PluginError
from ossicle.loading import describe_fault
from ossicle.plugin import Check, CheckResult
from ossicle.registry import Registry, default_registry
from ossicle.targets import load_target

Named = tuple[str, CheckResult]
_IMPORTS = ("torch", "torchaudio", "librosa", "soundfile", "soxr", "safetensors")


def doctor(*, json: options.Json = False) -> int:
    """Check the installation: packages, devices, kernels, plugins, and what plugins check themselves.

    Each line is ok, warn or fail. Exits with 5 if anything fails.
    """
    results = []
    for name, result in _everything(default_registry()):
        results.append((name, result))
        if not json:
            emit(f"{result.status:<4}  {name}: {result.detail}" + (f"\n      do: {result.hint}" if result.hint else ""))
    if json:
        emit_json([{"name": n, "status": r.status, "detail": r.detail, "hint": r.hint} for n, r in results])
    return PluginError.exit_code if any(r.status == "fail" for _, r in results) else 0


def _everything(registry: Registry) -> Iterator[Named]:
    yield from _packages()
    yield "devices", _devices()
    yield from _kernels()
    yield from _plugins(registry)
    yield from _plugin_checks(registry)


def _packages() -> Iterator[Named]:
    for name in _IMPORTS:
        try:
            module = importlib.import_module(name)
        except Exception as error:
            hint = (
                "pip install 'torch>=2.11,<2.15' 'torchaudio>=2.11,<2.12'"
                if name.startswith("torch")
                else f"pip install {name}"
            )
            yield name, CheckResult("fail", describe_fault(error), hint)
        else:
            library = getattr(module, "__libsndfile_version__", None)
            version = getattr(module, "__version__", "installed")
            yield name, CheckResult("ok", f"{version}, libsndfile {library}" if library else str(version))


def _devices() -> CheckResult:
    try:
        import torch
    except Exception as error:
        return CheckResult("fail", describe_fault(error))
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return CheckResult("ok", f"cuda: {names}; cpu with {torch.get_num_threads()} threads")
    return CheckResult(
        "ok", f"cpu with {torch.get_num_threads()} threads; no CUDA device, so references run in place of kernels"
    )


def _kernels() -> Iterator[Named]:
    try:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        for choice in kernels.choices(device=device):
            yield f"kernel {choice.op}", CheckResult("ok", f"{choice.chosen}: {choice.why}")
    except (OssicleError, ImportError) as error:
        yield "kernels", CheckResult("fail", describe_fault(error), getattr(error, "hint", None))


def _plugins(registry: Registry) -> Iterator[Named]:
    for status in registry.host.statuses:
        level = "ok" if status.state in ("loaded", "disabled") else "fail"
        if status.state == "incompatible" or (level == "ok" and status.notes):
            level = "warn"
        detail = f"{status.state}{': ' + status.cause if status.cause else ''}{'; ' + '; '.join(status.notes) if status.notes else ''}"
        yield f"plugin {status.name}", CheckResult(level, detail, status.hint)  # type: ignore[arg-type]


def _plugin_checks(registry: Registry) -> Iterator[Named]:
    for status, record in registry.host.records("ossicle_checks"):
        if not isinstance(record, Check):
            continue
        try:
            result = load_target(record.target)()
            if not isinstance(result, CheckResult):
                result = CheckResult(
                    "fail",
                    f"the check returned {result!r}, not a CheckResult",
                    f"report it to the authors of {status.name}",
                )
        except Exception as error:
            result = CheckResult("fail", describe_fault(error), f"report it to the authors of {status.name}")
        yield record.name, result
