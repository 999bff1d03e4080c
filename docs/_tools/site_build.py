"""Builds the documentation site: ``python docs/_tools/site_build.py [FOLDER]``; a broken link is an error.

Pages are gathered from the repository into one folder of Markdown, those parts that come from code and from results
are written into it, and Sphinx makes HTML of it. The finished site takes the old one's place whole.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import site_api
import site_kinds
import site_results
from site_pages import ROOT, Stage, sources

TOOLS = Path(__file__).resolve().parent
_TABLES = {
    "<!-- site: measured -->": site_results.front_tables,
    "<!-- site: kinds -->": site_kinds.table_of_kinds,
}
_SECTIONS = (
    ("Start", ("tutorial.md", "plugins.md", "results.md")),
    ("Commands", ("commands/",)),
    ("Kinds", ("kinds/",)),
    ("Plugins", ("plugins/",)),
    ("Recipes", ("recipes/",)),
    ("Guides", ()),
    ("Reference", ("api/",)),
)


def stage(folder: Path) -> None:
    """Fill a folder with everything that Sphinx needs."""
    place = Stage(folder)
    found = sources()
    pages = [page for page in found.values() if page != "index.md"]
    for source, page in found.items():
        text = (ROOT / source).read_text("utf-8")
        if page.startswith("kinds/"):
            text += site_kinds.contract(Path(page).stem)
        if page != "index.md":
            place.add(source, page, text)
    place.write("results.md", site_results.results_page())
    for name, text in site_api.pages().items():
        place.write(f"api/{name}.md", text)
    pages += ["results.md", *(f"api/{name}.md" for name in site_api.pages())]
    place.add("docs/README.md", "index.md", (ROOT / "docs" / "README.md").read_text("utf-8"))
    front = (folder / "index.md").read_text("utf-8")
    for mark, table in _TABLES.items():
        if mark not in front:
            raise ValueError(f"docs/README.md has lost its {mark}")
        front = front.replace(mark, table())
    place.write("index.md", front + _contents(pages))
    shutil.copyfile(TOOLS / "conf.py", folder / "conf.py")
    shutil.copytree(TOOLS / "theme", folder / "theme")


def _contents(pages: list[str]) -> str:
    left = list(pages)
    parts = {}
    for title, wanted in _SECTIONS:
        # What no section asks for is a guide.
        parts[title] = [
            page for want in wanted for page in left if page == want or (want[-1] == "/" and page.startswith(want))
        ]
        left = [page for page in left if page not in parts[title]]
    parts["Guides"] = left
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{chr(10).join(page[:-3] for page in inside)}\n```\n"
        for title, inside in parts.items()
    )


def build(target: Path) -> None:
    """Build the site into a folder, which is replaced when all went well."""
    with tempfile.TemporaryDirectory(prefix="ossicle-site-") as name:
        work = Path(name)
        stage(work / "pages")
        options = ["-b", "html", "-q", "-W", "--keep-going", "-d", str(work / "state")]
        subprocess.run([sys.executable, "-m", "sphinx", *options, str(work / "pages"), str(work / "html")], check=True)
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(work / "html", part)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)


def main() -> int:
    """Build, and say where."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"
    try:
        build(target.resolve())
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"wrote {target}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
