"""A stranger's first evening: `plugins new`, install, check, test, each in an environment of its own, without a network."""

import json

import pytest
from venvs import Venv


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("my-vocoder", "vocoder"), ("my-method", "ssl-method"), ("my-adapter", "adapter")]
)
def test_what_plugins_new_writes_is_installed_loaded_checked_and_tested(tmp_path, name, kind):
    venv, folder = Venv(tmp_path / "env"), tmp_path / name
    assert venv.ossicle("plugins", "new", name, "--kind", kind, "-o", folder).returncode == 0
    words = ("install", folder, "--yes", "--no-index", "--no-build-isolation")
    done = venv.ossicle("plugins", *words)
    assert done.returncode == 0, done.stderr
    assert f"{name} 0.1.0: loaded" in done.stderr and venv.states()[name] == "loaded"
    assert list(venv.site.glob(f"{name.replace('-', '_')}-0.1.0.dist-info"))
    checked = venv.ossicle("plugins", "check", name, "--json")
    (report,) = json.loads(checked.stdout)
    assert (checked.returncode, report["failed"]) == (0, 0)
    assert {o["check"] for o in report["outcomes"] if o["component"] and o["status"] == "passed"} >= {
        "can be built",
        "documented",
    }
    tested = venv.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert tested.returncode == 0 and " passed" in tested.stdout, tested.stdout


@pytest.mark.slow
def test_the_own_tests_of_every_other_kind_pass(tmp_path):
    venv = Venv(tmp_path / "env")
    folders = []
    for kind in ("outlier-detector", "backbone", "dataset", "mixer", "augmentation", "corruption", "kernel"):
        folders.append(tmp_path / f"my-{kind}")
        assert venv.ossicle("plugins", "new", folders[-1].name, "--kind", kind, "-o", folders[-1]).returncode == 0
    words = ("--yes", "--no-index", "--no-build-isolation", "--quiet")
    done = venv.ossicle("plugins", "install", *folders, *words)
    assert done.returncode == 0, done.stderr
    tests = [folder / "tests" for folder in folders]
    tested = venv.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests, cwd=tmp_path)
    assert tested.returncode == 0 and " passed" in tested.stdout, tested.stdout
