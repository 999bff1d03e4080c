"""`ossicle plugins new`: a package of one's own, ready to be installed, checked and changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, say
from ossicle.cli.scaffold import derive_names, refuse_clash, write_package
from ossicle.errors import UnknownNameError, UsageError
from ossicle.plugin import KINDS


def new(
    name: Annotated[str, Parameter(help="What it is to be called: my-vocoder.")],
    /,
    *,
    kind: Annotated[str, Parameter(name="--kind", help=f"What it brings: {', '.join(KINDS)}.")],
    output: Annotated[str | None, Parameter(name=["--output", "-o"], help="Its folder (default: ./NAME).")] = None,
    author: Annotated[str | None, Parameter(name="--author", help='"Name" or "Name <address>".')] = None,
    summary: Annotated[str | None, Parameter(name="--summary", help="One line on what it does.")] = None,
    force: Annotated[
        bool,
        Parameter(name="--force", negative="", help="Write over files, and take a name that something installed has."),
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Write a small package with a working component of a kind: to be installed as it is, and changed into your own.

    It holds the entry point, the component, tests that check it, a README, a license and a CI file. Nothing is installed.
    """
    if kind not in KINDS:
        raise UnknownNameError(f"there is no kind {kind!r}", hint=f"kinds: {', '.join(KINDS)}")
    names = derive_names(name)
    folder = Path(output if output is not None else names.distribution)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="name a folder with -o")
    if not force:
        refuse_clash(names)
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not empty", hint="name another folder with -o, or --force to write over files"
            )
    written = write_package(names, kind, folder, author=author, summary=summary)
    if json:
        emit_json(
            {
                "name": names.distribution,
                "module": names.module,
                "kind": kind,
                "component": names.component,
                "folder": str(folder),
                "files": [path.relative_to(folder).as_posix() for path in written],
            }
        )
    else:
        for path in written:
            emit(str(path))
    say(f"next:  cd {folder}", quiet=quiet)
    for line in ("pip install -e '.[test]'", f"ossicle plugins check {names.distribution}", "python -m pytest"):
        say(f"       {line}", quiet=quiet)
    return 0
