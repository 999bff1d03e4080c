"""TOML files, read and written in one place: Python 3.10 has no reader of its own."""

from __future__ import annotations

import json
import re
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


def parse_toml(text: str, *, source: str) -> dict[str, Any]:
    """Return what a text in TOML says; `source` names it in the error.

    Raises
    ------
    ConfigError
        If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML", why=str(error), hint="mend the line named") from error


def write_toml(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values as TOML, whole or not at all: strings, numbers, truth values, lists and tables of them.

    Ours, since a run on a machine that has torch and little else must be able to write its model.
    """
    write_bytes(path, ("\n".join(_lines(values, ())) + "\n").encode())


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = (*path, _key(key))
            lines += ["", f"[{'.'.join(inner)}]", *_lines(value, inner)]
    return lines


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, (bool, int, str)):
        # JSON's truth values, whole numbers and strings are TOML's too, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise ConfigError(f"{value!r} cannot be written as TOML", why=f"it is a {type(value).__name__}")
