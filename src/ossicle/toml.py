"""TOML files, read and written in one place: Python 3.10 has no reader of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ossicle.atomic import write_bytes
from ossicle.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's contents.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}", why=error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid TOML", why=str(error), hint="mend the line named, or restore the file"
        ) from error


def write_toml(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values as TOML, whole or not at all; None is not allowed."""
    import tomli_w

    write_bytes(path, tomli_w.dumps(values).encode())
