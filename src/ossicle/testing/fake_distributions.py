"""Distributions made of text, for tests of discovery through the real entry-point machinery."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FakeSite:
    """A folder that stands for site-packages; put it on `sys.path`, then `add` distributions."""

    folder: Path

    def add(
        self,
        name: str,
        code: str | None,
        *,
        version: str = "1.0",
        entry: str | None = None,
        target: str | None = None,
        group: str = "ossicle.v1",
        requires: tuple[str, ...] = (),
        author: str = "Somebody",
        licence: str | None = "MIT",
        modules: dict[str, str] | None = None,
    ) -> str:
        """Write a distribution with one entry point and return its module's name.

        Parameters
        ----------
        name, version, requires, author, licence
            Metadata of the distribution; `licence` None names none.
        code
            Source of the entry-point module, dedented; None writes no module.
        entry, target, group
            The entry point; by default the distribution's name and its module.
        modules
            Sources of further modules by name.
        """
        module = name.replace("-", "_")
        for module_name, source in {**({module: code} if code is not None else {}), **(modules or {})}.items():
            path = self.folder / f"{module_name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), "utf-8")
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A fake\nAuthor: {author}"]
        metadata += [f"License-Expression: {licence}"] if licence else []
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("\n".join(metadata) + "\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry or name} = {target or module}\n", "utf-8")
        return module


def component_plugin(kind: str, name: str, target: str) -> str:
    """Return the source of a thin module that yields one component."""
    return f"""
        from ossicle.plugin import Component, hookimpl

        @hookimpl
        def ossicle_components():
            yield Component({kind!r}, {name!r}, {target!r}, "A fake")
    """
