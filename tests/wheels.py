"""Wheels written by hand, for installers that may ask no network: a wheel is a ZIP archive with three files of metadata."""

import zipfile
from pathlib import Path


def write_wheel(folder: Path, name: str, version: str = "1.0", *, requires=(), plugin: str | None = None) -> Path:
    """Write a wheel of one module, `plugin` being its source where it is a plugin of ossicle's."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A fake\nLicense: MIT"]
    files = {
        f"{module}.py": plugin or "",
        f"{info}/METADATA": "\n".join(metadata + [f"Requires-Dist: {text}" for text in requires]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if plugin is not None:
        files[f"{info}/entry_points.txt"] = f"[ossicle.v1]\n{name} = {module}\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
    return path
