"""The documentation is whole: everything that the house offers has its page, and the site is built of them."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_tools"))

from site_coverage import Offer, house, undocumented  # noqa: E402
from site_kinds import PROTOCOLS, contract  # noqa: E402
from site_pages import Stage, page_of, rewrite_links, sources  # noqa: E402
from site_results import NOT_RUN, as_table, front_tables, recipe_rows, results_page  # noqa: E402

from ossicle.plugin import KINDS  # noqa: E402
from ossicle.testing import checks_of  # noqa: E402


def test_everything_that_the_house_offers_has_a_page():
    assert undocumented(ROOT, house()) == []


def test_what_the_house_offers_is_not_nothing():
    offer = house()
    assert "ossicle_components" in offer.hooks
    assert {"vocode", "outliers"} <= set(offer.commands), "the core's commands and the plugins'"
    assert set(offer.kinds) == {kind for _, kind, _ in offer.components}, "every kind has a component"


@pytest.mark.parametrize(
    ("offer", "word"),
    [
        (Offer(hooks=["ossicle_sing"]), "hook ossicle_sing"),
        (Offer(commands=["sing"]), "command sing"),
        (Offer(kinds=["singer"]), "kind singer"),
        (Offer(components=[("caruso", "vocoder", "ossicle-istftnet")]), "vocoder caruso"),
    ],
)
def test_something_new_without_a_page_is_found(offer, word):
    (line,) = undocumented(ROOT, offer)
    assert line.startswith(word)


@pytest.mark.parametrize(
    ("lost", "word"),
    [("docs/commands/mel.md", "command mel"), ("docs/kinds/mixer.md", "kind mixer"), ("docs/plugins.md", "hook ")],
)
def test_a_page_that_is_lost_is_missed(tmp_path, lost, word):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for readme in ROOT.glob("plugins/*/README.md"):
        shutil.copytree(readme.parent, tmp_path / "plugins" / readme.parent.name, ignore=_all_but_readme)
    assert undocumented(tmp_path, house()) == []
    (tmp_path / lost).unlink()
    assert any(line.startswith(word) for line in undocumented(tmp_path, house()))


def _all_but_readme(folder, names):
    return [name for name in names if name != "README.md"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_page_ends_with_its_protocol_and_all_its_checks(kind):
    text = contract(kind)
    assert f"class {PROTOCOLS[kind]}(Protocol):" in text
    for check in checks_of(kind):
        assert f"| {check.name} |" in text


def test_every_markdown_file_of_the_documentation_is_a_page():
    pages = sources()
    for path in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md"), *ROOT.glob("recipes/*/*/README.md")]:
        if "_tools" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in pages
    assert len(set(pages.values())) == len(pages), "two files want one page"


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("docs/commands/mel.md", "commands/mel.md"),
        ("plugins/ossicle-semisup", "plugins/ossicle-semisup.md"),
        ("recipes/fsdd/semisup/README.md", "recipes/fsdd-semisup.md"),
        ("README.md", "index.md"),
        ("Makefile", None),
        ("docs/_tools/conf.py", None),
    ],
)
def test_a_file_has_its_page(source, page):
    assert page_of(source) == page


def test_links_between_files_become_links_between_pages(tmp_path):
    text = (
        "[a](../plugins.md#states) [b](../../LICENSE)\n```\n[c](nowhere.md)\n```\n[d](https://example.org) [e](#here)\n"
    )
    turned = rewrite_links(text, "docs/commands/mel.md", "commands/mel.md", Stage(tmp_path / "pages").keep)
    assert "[a](../plugins.md#states) [b](../files/LICENSE)" in turned
    assert "[c](nowhere.md)" in turned and "[d](https://example.org) [e](#here)" in turned
    assert (tmp_path / "pages" / "files" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("target", ["nowhere.md", "../../../outside.md", "../../src"])
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, target):
    with pytest.raises(ValueError, match=r"docs/commands/mel\.md links to"):
        rewrite_links(f"[x]({target})", "docs/commands/mel.md", "commands/mel.md", Stage(tmp_path / "pages").keep)


def test_the_results_page_has_every_recipe_and_says_what_was_not_run():
    page = results_page()
    for settings in ROOT.glob("recipes/*/*/recipe.toml"):
        recipe = settings.parent.relative_to(ROOT / "recipes").as_posix()
        (section,) = [part for part in page.split("\n## ") if part.startswith(f"{recipe}\n")]
        rows = (settings.parent / "results.csv").read_text().splitlines()[1:]
        assert (NOT_RUN in section) == (not rows), recipe


def test_averages_are_those_of_the_committed_rows():
    """Five seeds of FixMatch, computed apart: the README has the same figure."""
    (fixmatch,) = [row for row in recipe_rows("fsdd/semisup") if row["method"] == "fixmatch"]
    assert fixmatch["rows"] == "5"
    assert fixmatch["error_rate_ema"] == "8.07 ± 2.20"


def test_the_front_page_measures_all_four_plugins():
    tables = front_tables()
    for readme in ROOT.glob("plugins/*/README.md"):
        assert f"plugins/{readme.parent.name}.md" in tables
    assert NOT_RUN not in tables


def test_a_table_cannot_be_broken_by_what_is_in_it():
    table = as_table([{"name": "a|b <script> _x_", "value": "0.123456789"}])
    assert "a\\|b \\<script> \\_x\\_" in table
    assert table.splitlines()[1] == "| --- | ---: |" and "0.1235" in table
