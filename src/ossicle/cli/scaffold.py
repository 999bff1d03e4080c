"""What `ossicle plugins new` writes: a small package of a kind, from templates, with the standard library alone.

A template is a file that ends in ``.tmpl``; ``$name`` and its like are filled in. ``templates/common`` goes into every package,
``templates/KIND`` into one of that kind.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import keyword
import re
import sys
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from ossicle.atomic import write_bytes
from ossicle.errors import ConfigError, PluginError, UsageError
from ossicle.host import canonicalize_name
from ossicle.toml import parse_toml

_VALID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST_NAME, _LONGEST_SUMMARY = 40, 90
_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<email>[^<>\s]+@[^<>\s]+)>")


@dataclass(frozen=True)
class PackageNames:
    """The names of a new package, all from the one that was asked for.

    Parameters
    ----------
    distribution
        As `pip install` takes it, normalized as PEP 503 says.
    module
        As `import` takes it.
    component
        As `ossicle.build` takes it.
    """

    distribution: str
    module: str
    component: str

    @property
    def class_name(self) -> str:
        """The component's class."""
        return "".join(part.capitalize() for part in re.split(r"[-._]", self.component))


def derive_names(name: str) -> PackageNames:
    """Return the names of a package that is to be called `name`.

    Raises
    ------
    UsageError
        If it is no valid name of a distribution, or no module can be called so.
    """
    if not _VALID.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot be a plugin's name",
            why=f"names are letters, digits, '-', '_' and '.', up to {_LONGEST_NAME}, a letter or digit at both ends",
            hint="choose one such as my-vocoder",
        )
    distribution = canonicalize_name(name)
    module = distribution.replace("-", "_")
    taken = module in sys.stdlib_module_names or module == "ossicle"
    if not module.isidentifier() or keyword.iskeyword(module) or taken:
        why = f"{module} is a module of Python's or ossicle's own" if taken else f"no module can be called {module}"
        raise UsageError(f"{name!r} cannot be a plugin's name", why=why, hint="choose one such as my-vocoder")
    return PackageNames(distribution, module, distribution.removeprefix("ossicle-") or distribution)


def refuse_clash(names: PackageNames) -> None:
    """Raise where something installed has the distribution's or the module's name; nothing is imported.

    Raises
    ------
    PluginError
        With what has the name.
    """
    for distribution in importlib.metadata.distributions(name=names.distribution):
        raise PluginError(
            f"a distribution named {names.distribution} is installed",
            why=f"version {distribution.version}; pip would replace it by the new one",
            hint="choose another name, or --force if it is this one",
        )
    spec = importlib.util.find_spec(names.module)
    if spec is not None and spec.origin is not None:
        raise PluginError(
            f"a module named {names.module} is installed",
            why=f"it is {spec.origin}; one would hide the other",
            hint="choose another name, or --force if it is this one",
        )


def write_package(
    names: PackageNames, kind: str, folder: Path, *, author: str | None = None, summary: str | None = None
) -> list[Path]:
    """Write a package into a folder and return its files, sorted.

    Parameters
    ----------
    kind
        One of `ossicle.plugin.KINDS`.
    author
        ``"Name"`` or ``"Name <address>"``; by default the package's authors.
    summary
        One line; by default what the template's component does.

    Raises
    ------
    ConfigError
        If author or summary is not one short line.
    """
    root = resources.files("ossicle") / "templates"
    about = parse_toml((root / kind / "kind.toml").read_text("utf-8"), source=f"the template of {kind}")
    values = _values(names, kind, about, author or f"The {names.distribution} authors", summary or about["summary"])
    written = []
    for part in ("common", kind):
        for path, text in _templates(root / part):
            place = folder / _place(path, names)
            write_bytes(place, Template(text).substitute(values).encode("utf-8"))
            written.append(place)
    return sorted(written)


def _values(names: PackageNames, kind: str, about: dict[str, str], author: str, summary: str) -> dict[str, str]:
    for what, text in (("summary", summary), ("author", author)):
        if not text.strip() or not text.isprintable() or len(text) > _LONGEST_SUMMARY:
            raise ConfigError(f"the {what} must be one line of up to {_LONGEST_SUMMARY} characters")
    person = _PERSON.fullmatch(author)
    known = {"name": person["name"] or person["email"], "email": person["email"]} if person else {"name": author}
    version = importlib.metadata.version("ossicle").split(".")
    plain = {"kind": kind, "name": names.distribution, "module": names.module, "component": names.component}
    plain |= {"cls": names.class_name, "file": about["file"]}
    example = about.get("example")
    return plain | {
        "summary": summary.rstrip("."),
        "summary_toml": json.dumps(summary, ensure_ascii=False),
        "summary_py": _quoted(summary),
        "author": known["name"],
        "author_toml": "{ " + ", ".join(f"{key} = {json.dumps(v, ensure_ascii=False)}" for key, v in known.items()) + " }",
        "year": str(date.today().year),
        "requires": f">={version[0]}.{version[1]},<{version[0]}.{int(version[1]) + 1}",
        "example": f'        example="{names.module}.example:{example}",\n' if example else "",
        "use": Template(about["use"].strip()).substitute(plain),
        "more_files": Template(about.get("more_files", "")).substitute(plain),
    }  # fmt: skip


def _quoted(text: str) -> str:
    """Return a Python literal in the quotes that need the fewest backslashes, as formatters write it."""
    text = text.replace("\\", "\\\\")
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + text.replace(quote, f"\\{quote}") + quote


def _templates(folder: Any, above: str = "") -> list[tuple[str, str]]:
    """Return (path, text) of every template below a folder."""
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _templates(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            found.append((above + entry.name.removesuffix(".tmpl"), entry.read_text("utf-8")))
    return found


def _place(path: str, names: PackageNames) -> str:
    """Return where a template goes: its package gets its name, and what begins with a dot is not hidden among ours."""
    path = path.replace("src/package/", f"src/{names.module}/")
    return re.sub(r"^dot-", ".", path)
