"""One tree of errors: each says what went wrong, why, and what to do, and carries the exit code of the command line."""

from __future__ import annotations


class OssicleError(Exception):
    """The root of every error that ossicle raises on purpose.

    Parameters
    ----------
    what
        One line: what went wrong.
    why
        One line: the cause, as far as it is known.
    hint
        One line: what the reader can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.hint:
            lines.append(f"  do:  {self.hint}")
        return "\n".join(lines)


class UsageError(OssicleError):
    """The command or call was asked for something that makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting or configuration file is wrong, or two settings contradict each other."""


class CheckpointError(UsageError):
    """A file of weights is damaged, refused or does not fit the configuration."""


class InputError(OssicleError):
    """One input cannot be used; others may be fine."""

    exit_code = 3


class AudioError(InputError):
    """A sound file or array cannot be read, written or used."""


class MelError(InputError):
    """A mel spectrogram has the wrong shape, values or settings."""


class NoInputError(OssicleError):
    """None of the inputs named exists or can be used."""

    exit_code = 4


class PluginError(OssicleError):
    """A plugin is missing, broken or refused."""

    exit_code = 5


class UnknownNameError(PluginError, LookupError):
    """No component, command or recipe has the name asked for."""


class AmbiguousNameError(PluginError, LookupError):
    """Several distributions offer the bare name asked for."""


class BrokenPluginError(PluginError):
    """A plugin's target cannot be imported."""


class InvalidRecordError(PluginError, ValueError):
    """A record that a plugin yields has a wrong field."""


class MissingPackageError(PluginError, ImportError):
    """An optional package is needed and not installed."""
