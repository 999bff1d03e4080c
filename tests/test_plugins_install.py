"""`plugins install` and `uninstall`: the plan is shown, the ground stays as it is, and broken plugins can be removed."""

import importlib.metadata
import importlib.util
import io
import json
import shutil
import stat
import sys

import pytest
from venvs import Venv
from wheels import write_wheel

from ossicle.cli import resolver
from ossicle.cli.resolver import Change, find_installer
from ossicle.errors import MissingPackageError
from ossicle.testing.fake_distributions import component_plugin

RECORDS = component_plugin("vocoder", "stranger", "json:loads").replace("\n        ", "\n")
OFFLINE = ("--no-index", "--find-links")


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    write_wheel(folder, "stranger", requires=("ossicle>=0.1", "helper"), plugin=RECORDS)
    write_wheel(folder, "helper", "2.0")
    write_wheel(folder, "greedy", requires=("numpy>=99",), plugin=RECORDS)
    write_wheel(folder, "numpy", "99.0")
    write_wheel(folder, "broken", plugin="raise RuntimeError('out of order')")
    return folder


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    return Venv(tmp_path_factory.mktemp("venv") / "env")


def test_the_plan_is_shown_and_nothing_is_installed(run, wheels):
    code, out, err = run("plugins", "install", "stranger", *OFFLINE, wheels, "--dry-run")
    assert code == 0 and "the plan of pip" in err
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["new", "helper", "-", "2.0"],
        ["new", "stranger", "-", "1.0"],
    ]
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("stranger")


def test_the_plan_is_data_too(run_json, wheels):
    code, found = run_json("plugins", "install", "stranger", *OFFLINE, wheels, "--dry-run")
    assert code == 0 and found["installer"] == "pip" and not found["installed"] and not found["refused"]
    assert found["plan"][0] == {
        "name": "helper", "version": "2.0", "before": None, "kind": "new", "wanted_by": ["stranger 1.0 requires helper"],
    }  # fmt: skip


def test_a_plugin_that_would_change_numpy_is_refused_with_the_plan(run, wheels):
    numpy = importlib.metadata.version("numpy")
    code, out, err = run("plugins", "install", "greedy", *OFFLINE, wheels, "--yes")
    assert code == 5
    assert ["change", "numpy", numpy, "99.0"] in [line.split() for line in out.splitlines()]
    assert f"numpy {numpy} -> 99.0" in err and "greedy 1.0 requires numpy>=99" in err and "--allow-change numpy" in err
    assert importlib.metadata.version("numpy") == numpy


def test_what_is_allowed_to_change_may(run, run_json, wheels):
    words = ("plugins", "install", "greedy", *OFFLINE, wheels, "--dry-run", "--allow-change")
    code, found = run_json(*words, "NumPy")
    assert code == 0 and [c["kind"] for c in found["plan"] if c["name"] == "numpy"] == ["change"]
    assert run(*words, "torch")[0] == 5
    assert run(*words, "helper")[0] == 2


def test_what_cannot_be_resolved_is_three_lines(run, wheels):
    code, out, err = run("plugins", "install", "no-such-plugin", *OFFLINE, wheels, "--yes")
    assert (code, out) == (5, "")
    assert "why: " in err and "no-such-plugin" in err and "do: " in err and "report.json" not in err


def test_nothing_named_is_usage(run):
    assert run("plugins", "install")[0] == 2
    assert run("plugins", "uninstall")[0] == 2


def test_what_is_installed_already_is_nothing_to_do(run):
    code, out, _ = run("plugins", "install", "pluggy", "--no-index", "--yes")
    assert code == 0 and "nothing to do" in out


@pytest.mark.parametrize(("answer", "terminal"), [("y\n", False), ("n\n", True), ("\n", True)])
def test_without_a_yes_nothing_happens(run, wheels, monkeypatch, answer, terminal):
    stdin = io.StringIO(answer)
    stdin.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(resolver.Installer, "install", lambda *args, **more: pytest.fail("it installed"))
    code, _, err = run("plugins", "install", "stranger", *OFFLINE, wheels)
    assert code == 2 and ("--yes" in err if not terminal else "nothing was changed" in err)


def test_installed_listed_as_requirements_and_removed_again(venv, wheels, tmp_path):
    done = venv.ossicle("plugins", "install", "stranger", *OFFLINE, wheels, "--yes")
    assert done.returncode == 0, done.stderr
    assert "stranger 1.0: loaded" in done.stderr and venv.states()["stranger"] == "loaded"
    listed = venv.ossicle("plugins", "list", "--requirements").stdout
    assert "stranger==1.0" in listed.splitlines()
    assert venv.ossicle("plugins", "uninstall", "Stranger", "--yes").returncode == 0
    assert "stranger" not in venv.states()
    # What was listed brings it back.
    (tmp_path / "plugins.txt").write_text("\n".join(line for line in listed.splitlines() if "stranger" in line))
    done = venv.ossicle("plugins", "install", "-r", tmp_path / "plugins.txt", *OFFLINE, wheels, "--yes")
    assert done.returncode == 0 and venv.states()["stranger"] == "loaded"
    assert venv.ossicle("plugins", "uninstall", "stranger", "--yes").returncode == 0


def test_a_plugin_that_breaks_on_import_is_told_of_and_can_be_removed(venv, wheels):
    wheel = wheels / "broken-1.0-py3-none-any.whl"
    done = venv.ossicle("plugins", "install", wheel, "--no-index", "--yes")
    assert done.returncode == 5 and "installed, but broken is broken" in done.stderr and "out of order" in done.stderr
    assert f"broken @ {wheel.as_uri()}" in venv.ossicle("plugins", "list", "--requirements").stdout.splitlines()
    # Not even a plugin that ends every interpreter stands in its own way.
    (venv.site / "broken.py").write_text("import os; os._exit(7)")
    assert venv.ossicle("plugins", "list").returncode == 7
    done = venv.ossicle("plugins", "uninstall", "broken", "--yes")
    assert done.returncode == 0 and "removed broken" in done.stderr
    assert "broken" not in venv.states()


@pytest.mark.parametrize(
    ("name", "words"), [("pytest", "no plugin is named"), ("ossicle", "no plugin"), ("ossicle-istftnet", "--house")]
)
def test_what_is_no_plugin_or_the_houses_own_stays(run, monkeypatch, name, words):
    monkeypatch.setattr(resolver.Installer, "uninstall", lambda *args: pytest.fail("it removed something"))
    code, _, err = run("plugins", "uninstall", name, "--yes")
    assert code == 5 and words in err


def test_what_the_installer_does_not_manage_is_told_of(site, run, monkeypatch):
    site.add("planted", RECORDS)
    monkeypatch.setattr(resolver.Installer, "uninstall", lambda *args: None)
    code, _, err = run("plugins", "uninstall", "planted", "--yes")
    assert code == 5 and "still there" in err and str(site.folder) in err


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "planted==1.0"),
        ({"url": "file:///wheels/planted.whl", "archive_info": {}}, "planted @ file:///wheels/planted.whl"),
        ({"url": "file:///home/planted", "dir_info": {}}, "planted @ file:///home/planted"),
        ({"url": "file:///home/my%20plugin", "dir_info": {"editable": True}}, "-e /home/my plugin"),
        (
            {"url": "https://example.org/p.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "planted @ git+https://example.org/p.git@abc",
        ),
    ],
)
def test_requirements_say_where_a_plugin_came_from(site, run, run_json, origin, line):
    site.add("planted", "raise RuntimeError('not to be imported')")
    if origin:
        (site.folder / "planted-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert line in run("plugins", "list", "--requirements")[1].splitlines()
    assert line in run_json("plugins", "list", "--requirements")[1]


# --- where there is uv alone


@pytest.fixture
def without_pip(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "pip" else find(name, *more))


@pytest.fixture
def fake_uv(tmp_path, monkeypatch, without_pip):
    """A program that says what uv says, and writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "said.txt").write_text("")
    program = folder / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/called.txt\ncat {folder}/said.txt >&2\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands for uv is a shell script")
def test_uv_is_asked_where_there_is_no_pip(run_json, fake_uv):
    (fake_uv / "said.txt").write_text(
        "Resolved 3 packages in 2ms\nWould uninstall 1 package\nWould install 3 packages\n"
        " - numpy==2.0\n + numpy==99.0\n + stranger==1.0 (from file:///wheels/stranger.whl)\n ~ helper==2.0\n"
    )
    code, found = run_json("plugins", "install", "stranger", "--yes", "--find-links", "wheels")
    assert code == 5 and found["installer"] == "uv" and found["refused"] == ["numpy"]
    assert [(c["name"], c["kind"]) for c in found["plan"]] == [
        ("helper", "again"), ("numpy", "change"), ("stranger", "new"),
    ]  # fmt: skip
    (call,) = (fake_uv / "called.txt").read_text().splitlines()
    assert call == f"pip install --dry-run --python {sys.executable} --find-links=wheels stranger"


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands for uv is a shell script")
def test_uv_installs_with_the_ground_held(run, fake_uv):
    (fake_uv / "said.txt").write_text(" + stranger==1.0\n")
    assert run("plugins", "install", "stranger", "--yes")[0] == 0
    call = (fake_uv / "called.txt").read_text().splitlines()[1]
    assert call.startswith(f"pip install --python {sys.executable} --constraint ") and call.endswith(" stranger")


@pytest.mark.skipif(not shutil.which("uv"), reason="uv is not installed")
def test_the_real_uv_plans_the_same(run_json, wheels, without_pip):
    code, found = run_json("plugins", "install", "greedy", *OFFLINE, wheels, "--yes")
    assert code == 5 and found["installer"] == "uv" and found["refused"] == ["numpy"]
    numpy = importlib.metadata.version("numpy")
    assert Change("numpy", "99.0", numpy).as_dict() | {"wanted_by": []} in found["plan"]


def test_without_pip_and_uv_it_says_what_to_get(without_pip, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackageError, match="ensurepip"):
        find_installer()
