"""Fixtures of the core's tests: fake distributions, and the command line in process."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from ossicle import registry
from ossicle.testing.fake_distributions import FakeSite

# Helpers beside the tests (report_sections) are imported by their names.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on `sys.path` for fake distributions; the registry discovers anew before and after."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    registry.reset()
    yield FakeSite(folder)
    registry.reset()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def run(capsys):
    """Run the command line in process: returns (exit code, stdout, stderr)."""
    from ossicle.cli.app import main

    def call(*argv):
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def run_json(run):
    """Run a command with ``--json``: returns (exit code, the parsed document)."""

    def call(*argv):
        code, out, _ = run(*argv, "--json")
        return code, json.loads(out)

    return call


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one, or without playwright, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        # Without its sandbox it starts as root too, as in containers; the only pages it opens are ours.
        found = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield found
        found.close()
