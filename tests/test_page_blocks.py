"""What the pages tell a reader to type is run as it stands there, in order, in a folder such as a reader has."""

import os
import subprocess
from pathlib import Path

import pytest
from page_blocks import Block, blocks_of, read_blocks
from readers_folder import ROOT, prepare

PAGES = ["README.md", "docs/README.md"]
NOT_RUN = {"README.md": 4, "docs/README.md": 1}
"""Blocks that are shown and not run: one more is a decision, and is made here."""


def shell(block: Block, folder: Path, environment):
    script = ["bash", "-euo", "pipefail", "-c", block.code]
    done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{block} ends with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    return folder, prepare(folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_shell_blocks_of_a_page_run(page, reader):
    for block in read_blocks(ROOT, page):
        if block.is_shell and not block.not_run:
            shell(block, *reader)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_blocks_of_a_page_run(page, reader, monkeypatch):
    monkeypatch.chdir(reader[0])
    names = {"__name__": "page"}
    for block in read_blocks(ROOT, page):
        if block.is_python and not block.not_run:
            exec(compile(block.code, str(block), "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_is_counted_and_has_a_reason(page):
    kept = [block for block in read_blocks(ROOT, page) if block.not_run is not None]
    listed = "\n".join(f"{block}: {block.not_run}" for block in kept)
    print(listed)
    assert len(kept) == NOT_RUN[page], listed
    assert all(len(block.not_run.split()) >= 3 for block in kept), listed


def test_a_page_has_blocks_that_are_run():
    for page in PAGES:
        run = [block for block in read_blocks(ROOT, page) if not block.not_run]
        assert any(block.is_shell for block in run) and any(block.is_python for block in run), page


def test_marks_and_languages_are_understood():
    text = (
        "```sh\nls\n```\n\n<!-- not run: needs the moon -->\n```sh\nfly\n```\n<!-- file: a/b.toml -->\n```toml\nx = 1\n```\n"
        "```text\nnothing\n```\n<!-- not run: -->\n```python\n1\n```\n"
    )
    ls, fly, file, bare = blocks_of(text, "page.md")
    assert (ls.code, ls.not_run, str(ls)) == ("ls\n", None, "page.md:1")
    assert (fly.code, fly.not_run) == ("fly\n", "needs the moon")
    assert (file.file, file.code) == ("a/b.toml", "x = 1\n")
    assert bare.not_run == "" and bare.is_python, "an empty reason is no reason, and still not run"


def test_a_block_that_fails_in_the_middle_fails(tmp_path):
    for code in ("false\ntrue\n", "false | true\n", "echo $NEVER_SET\n"):
        with pytest.raises(AssertionError, match=r"page\.md:1 ends with"):
            shell(Block("page.md", 1, "sh", code), tmp_path, dict(os.environ))
