"""The tutorial, word for word: its files conform, and its commands make, check and share a plugin."""

import importlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from page_blocks import read_blocks
from readers_folder import ROOT, prepare

from ossicle.testing import check_component

PAGE = "docs/tutorial.md"
BLOCKS = read_blocks(ROOT, PAGE)
COMPONENTS = [
    ("vocoder", "whistle", "whistle.vocoder", "Whistle"),
    ("ssl-method", "unsure", "unsure.method", "Unsure"),
    ("adapter", "leveller", "leveller.adapter", "Leveller"),
]


def write(block, folder):
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.code, "utf-8")


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The tutorial's files on disk, their packages importable for as long as the test runs."""
    before = set(sys.modules)
    for block in BLOCKS:
        if block.file:
            write(block, tmp_path)
    for _, name, *_ in COMPONENTS:
        monkeypatch.syspath_prepend(str(tmp_path / name / "src"))
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in [package for _, package, *_ in COMPONENTS]:
            del sys.modules[name]


@pytest.mark.parametrize(("kind", "package", "module", "name"), COMPONENTS, ids=[c[0] for c in COMPONENTS])
def test_what_the_tutorial_writes_conforms(kind, package, module, name, built):
    target = getattr(importlib.import_module(module), name)
    factory = target if kind != "ssl-method" else lambda: target(_network, classes=4)
    assert [outcome for outcome in check_component(kind, factory) if outcome.status == "failed"] == []
    (record,) = importlib.import_module(f"{package}.plugin").ossicle_components()
    assert (record.kind, record.name, record.target) == (kind, package, f"{module}:{name}")


def _network(seed):
    import ossicle

    return ossicle.build("backbone", "audio-resnet-tiny", classes=4, seed=seed)


def test_the_tutorials_own_tests_pass(built):
    names = [name for _, name, *_ in COMPONENTS]
    places = os.pathsep.join([*(str(built / name / "src") for name in names), *sys.path])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    done = subprocess.run(command, cwd=built, env={**os.environ, "PYTHONPATH": places}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_only_the_making_of_the_environment_is_not_run():
    kept = [block.not_run for block in BLOCKS if block.not_run is not None]
    assert kept == ["makes the environment in which the rest is run"]


def test_a_reader_sees_which_file_a_block_is():
    text = (ROOT / PAGE).read_text("utf-8")
    for block in BLOCKS:
        if block.file:
            assert f"\n`{block.file}`:\n\n<!-- file: {block.file} -->\n" in text


@pytest.fixture
def lab(tmp_path):
    """An environment of its own that has all of this one's packages: (folder, environment variables, its `bin`)."""
    words = [sys.executable, "-m", "ossicle", "plugins"]
    for command in ("new", "check", "install"):
        done = subprocess.run([*words, command, "--help"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"`ossicle plugins {command}` is not there yet")
    folder = tmp_path / "reader"
    folder.mkdir()
    variables = prepare(folder)
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "these.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours), "utf-8")
    got = subprocess.run([programs / "pip", "install", "-q", "setuptools>=77"], capture_output=True, text=True)
    if got.returncode:
        pytest.skip("setuptools, which builds plugins, could not be fetched from the package index")
    for name in ("ossicle", "python", "pip", "pytest"):
        (folder / "bin" / name).unlink()
    for name in ("ossicle", "pytest"):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{programs}/python" -m {name} "$@"\n', "utf-8")
        script.chmod(0o755)
    quiet = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return folder, {**variables, **quiet, "PATH": os.pathsep.join([str(programs), variables["PATH"]])}


@pytest.mark.slow
def test_the_tutorial_works_from_an_empty_folder_to_a_shared_plugin(lab):
    folder, variables = lab
    said = {}
    for block in BLOCKS:
        if block.file:
            assert (folder / Path(block.file).parts[0]).is_dir(), f"{block}: `plugins new` made no such folder"
            write(block, folder)
        elif block.is_shell and not block.not_run:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                cwd=folder,
                env=variables,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, f"{block}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            said[block.code] = done.stdout
    assert any("whistle" in text for code, text in said.items() if "plugins list" in code)
    assert (folder / "whistled.wav").stat().st_size > 100_000
    assert list((folder / "dist").glob("whistle-*.whl"))
