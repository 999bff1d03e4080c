"""Errors of this plugin: each is both one of ossicle's and the one that users of scikit-learn or PyOD expect."""

from __future__ import annotations

from ossicle.errors import ConfigError, InputError


class TableError(InputError, ValueError):
    """Rows have the wrong shape or values."""


class SettingError(ConfigError, ValueError):
    """A setting is out of its range, or does not fit the rows."""
