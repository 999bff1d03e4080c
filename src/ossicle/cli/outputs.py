"""Where results go: a file for one input, else a folder that mirrors the inputs; whole files or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.atomic import write_bytes
from ossicle.cli.console import STDIO, emit_bytes
from ossicle.cli.inputs import Input
from ossicle.errors import InputError, UsageError

SOUND_FORMATS = ("wav", "flac", "ogg", "mp3")


@dataclass(frozen=True)
class Job:
    """One input and where its result goes (None: standard output)."""

    source: Input
    output: Path | None

    @property
    def target(self) -> str:
        """What messages call the output."""
        return "standard output" if self.output is None else str(self.output)

    def kept(self, *, force: bool) -> bool:
        """Return whether an existing output stays as it is."""
        return self.output is not None and self.output.exists() and not force

    def write(self, data: bytes) -> None:
        """Write the result: to a part file beside the output that is then renamed, or to standard output."""
        if self.output is None:
            emit_bytes(data)
            return
        try:
            write_bytes(self.output, data)
        except OSError as error:
            raise InputError(
                f"cannot write {self.output}",
                why=error.strerror or str(error),
                hint="check the folder and the space on the disk",
            ) from error


def plan(inputs: Sequence[Input], output: str, *, suffix: str, searched: bool) -> list[Job]:
    """Return where each input's result goes.

    Parameters
    ----------
    output
        As the person named it; ``-`` is standard output.
    suffix
        What results in a folder end with.
    searched
        Whether inputs came from a folder, glob or list, so that `output` is a folder even for a single one.

    Raises
    ------
    UsageError
        If two inputs share an output, an output is an input, or many would go to standard output.
    """
    if output in ("-", STDIO):
        if len(inputs) > 1:
            raise UsageError(f"{len(inputs)} inputs cannot share standard output", hint="name a folder: -o DIR")
        return [Job(inputs[0], None)]
    path = Path(output).expanduser()
    folder = searched or len(inputs) > 1 or path.is_dir() or output.endswith(("/", "\\"))
    if folder and path.is_file():
        raise UsageError(f"{path} is a file", why=f"{len(inputs)} results need a folder", hint="name a folder: -o DIR")
    jobs = [Job(i, path / i.below.with_suffix(suffix) if folder else path) for i in inputs]
    owners: dict[Path, Job] = {}
    sources = {i.path.resolve() for i in inputs if i.path}
    for job in jobs:
        assert job.output is not None
        place = job.output.resolve()
        if place in owners:
            raise UsageError(
                f"{job.source.label} and {owners[place].source.label} would both be written to {job.output}",
                hint="name them in two calls with a folder each",
            )
        if place in sources:
            raise UsageError(f"{job.output} is an input too", why="it would be overwritten", hint="name another output")
        owners[place] = job
    return jobs


def sound_format(format: str | None, output: str) -> str:
    """Return the format in which sound is written: as asked for, else by the suffix of the output, else WAV.

    Raises
    ------
    UsageError
        If it is none that can be written.
    """
    named = "" if output.endswith("/") else Path(output).suffix.lower().lstrip(".")
    chosen = (format or (named if named in SOUND_FORMATS else SOUND_FORMATS[0])).lower()
    if chosen not in SOUND_FORMATS:
        raise UsageError(f"cannot write {chosen!r}", hint=f"use --format {', '.join(SOUND_FORMATS)}")
    if format is None and named and named not in SOUND_FORMATS and not Path(output).is_dir():
        raise UsageError(
            f"cannot write {output}",
            why=f"the suffix .{named} stands for no format",
            hint=f"use .{', .'.join(SOUND_FORMATS)}, or end the name of a folder with /",
        )
    return chosen
