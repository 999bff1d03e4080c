"""TOML that we write is read back as it was."""

import pytest

from ossicle.errors import ConfigError
from ossicle.toml import read_toml, write_toml


def test_everything_plain_survives(tmp_path):
    values = {
        "text": 'quotes " and \\ and\nlines, ünïcode, \x7f \x01',
        "whole": -3,
        "fraction": 1e-09,
        "infinite": float("inf"),
        "yes": True,
        "list": [1, 2.5, "three", [4, 5], []],
        "table": {"a key with spaces": 1, "inner": {"deep": False}, "empty": {}},
    }
    write_toml(tmp_path / "a.toml", values)
    assert read_toml(tmp_path / "a.toml") == values


@pytest.mark.parametrize("value", [None, object(), b"bytes"])
def test_what_toml_has_no_word_for_is_refused_and_leaves_no_file(tmp_path, value):
    with pytest.raises(ConfigError):
        write_toml(tmp_path / "a.toml", {"x": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe", b"[a\n"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"not valid TOML"):
        read_toml(tmp_path / "a.toml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path / "a.toml")
