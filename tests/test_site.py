"""The documentation site: built in strict mode, and looked at in a browser from the disk, on a phone and on a desk."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from browser_scripts import COLOURS

ROOT = Path(__file__).parents[1]
NEEDED = ("sphinx", "myst_parser", "furo")
WIDTHS = [390, 1280]
PAGES = ["index", "commands/vocode", "kinds/vocoder", "results", "api/audio", "plugins/ossicle-unmix-tns"]


def newest_source():
    folders = [ROOT / name for name in ("docs", "src", "recipes", "plugins", "examples", "README.md", "CHANGELOG.md")]
    files = [
        path for folder in folders for path in [folder, *folder.rglob("*")] if path.suffix in (".md", ".py", ".csv")
    ]
    return max(path.stat().st_mtime for path in files)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of `make docs` where it is up to date, else one that is built now."""
    made = ROOT / "site" / "index.html"
    if made.exists() and made.stat().st_mtime > newest_source():
        return made.parent
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no site was built, and {', '.join(missing)} is not installed (make docs)")
    target = tmp_path_factory.mktemp("docs") / "site"
    tool = ROOT / "docs" / "_tools" / "site_build.py"
    done = subprocess.run([sys.executable, str(tool), str(target)], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_it_is_built_without_a_warning_and_has_every_page(site):
    sys.path.insert(0, str(ROOT / "docs" / "_tools"))
    from site_pages import sources

    for page in [*sources().values(), "results.md", "api/core.md"]:
        assert (site / page).with_suffix(".html").exists(), page


def test_no_page_needs_the_network(site):
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        for mark in ('src="http', 'href="http://fonts', 'rel="stylesheet" href="http', 'rel="preconnect"', "@import"):
            assert mark not in text, f"{path.relative_to(site)} has {mark}"
    for path in site.rglob("*.css"):
        assert "url(http" not in path.read_text("utf-8"), path


@pytest.fixture
def opened(site, browser):
    """Open a page; at the end nobody may have complained, and nothing but files of the site may have been asked for."""
    complaints, requests = [], []

    def open_(name, width, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield open_
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", site.as_uri()))] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_what_is_wider_scrolls_in_a_box_of_its_own(opened, name, width):
    page = opened(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """() => [...document.querySelectorAll("article *")].filter((one) => {
          if (one.closest(".table-wrapper, pre, .highlight, .sig") ) return false;
          const box = one.getBoundingClientRect();
          return box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5);
        }).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert outside == []
    stuck = page.evaluate(
        """() => [...document.querySelectorAll("article .table-wrapper, article pre")].filter((box) =>
          box.scrollWidth > box.clientWidth + 1 && !["auto", "scroll"].includes(getComputedStyle(box).overflowX)
        ).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert stuck == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_page_can_be_read(opened, scheme):
    """WCAG AA: text stands out by 4.5 to 1 from the nearest background that is painted behind it."""
    faint = opened("index", 1280, scheme).evaluate(
        "() => {"
        + COLOURS
        + """
          return [...document.querySelectorAll("article *")].filter((one) =>
            [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
            && !one.matches(".headerlink") && one.getClientRects().length
          ).map((one) =>
            [contrast(parse(getComputedStyle(one).color), behind(one)), one.outerHTML.slice(0, 80)]
          ).filter(([ratio]) => ratio < 4.5);
        }"""
    )
    assert faint == []


def test_a_phone_reaches_every_page_through_the_menu(opened):
    page = opened("index", 390)
    page.locator(".mobile-header .nav-overlay-icon").click()
    page.wait_for_timeout(400)
    link = page.locator(".sidebar-tree").get_by_role("link", name="ossicle vocode")
    box = link.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    link.click()
    assert page.locator("h1").inner_text().startswith("ossicle vocode")


def test_search_works_from_the_disk(opened):
    page = opened("index", 1280)
    page.locator(".sidebar-search").fill("griffin-lim")
    page.locator(".sidebar-search").press("Enter")
    page.wait_for_selector("#search-results li")
    assert page.locator("#search-results li").count() > 0
