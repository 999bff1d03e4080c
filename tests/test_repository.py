"""The house keeps its own rules: its top level, its recipes, its pages."""

import re
import subprocess
from pathlib import Path

import pytest

from ossicle import hookspecs

ROOT = Path(__file__).parents[1]
TOP = {
    "src",
    "plugins",
    "recipes",
    "tests",
    "docs",
    "examples",
    "benchmarks",
    "pyproject.toml",
    "README.md",
    "requirements-dev.txt",
    "requirements-docs.txt",
    "Makefile",
    "CHANGELOG.md",
    "LICENSE",
    ".ci",
    ".gitignore",
}
RECIPES = sorted(path.parent for path in ROOT.glob("recipes/*/*/recipe.toml"))


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def test_the_top_level_is_fixed():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP


@pytest.mark.parametrize("folder", RECIPES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_every_recipe_is_whole_and_short(folder):
    for name in ("README.md", "recipe.toml", "smoke.toml", "run.py", "results.csv"):
        assert (folder / name).exists(), f"{folder} lacks {name}"
    assert len((folder / "run.py").read_text().splitlines()) <= 80


def test_every_hook_has_a_section_and_a_test():
    page = (ROOT / "docs" / "plugins.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    for name in vars(hookspecs):
        if name.startswith("ossicle_"):
            assert name in page, f"docs/plugins.md says nothing of {name}"
            assert f"def {name}" in tests, f"no test implements {name}"


def test_links_between_documents_lead_somewhere():
    for page in [path for path in tracked() if path.suffix == ".md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_no_file_is_half_written_or_huge():
    for path in tracked():
        assert path.suffix != ".part"
        assert path.stat().st_size < 8_000_000, f"{path} is too large for the repository"
