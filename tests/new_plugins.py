"""Packages that `plugins new` writes, on a fake site: as they are, or with a fault planted in them."""

import shutil

from ossicle.cli.scaffold import derive_names, write_package


def put_on_site(site, folder, name, kind, *, change=None):
    """Write a package into a folder and put it on the site, its source changed by (old, new), and return its names."""
    names = derive_names(name)
    write_package(names, kind, folder)
    if change:
        old, new = change
        sources = [path for path in (folder / "src").rglob("*.py") if old in path.read_text("utf-8")]
        assert len(sources) == 1, f"{old!r} is in {sources}"
        sources[0].write_text(sources[0].read_text("utf-8").replace(old, new), "utf-8")
    shutil.copytree(folder / "src" / names.module, site.folder / names.module)
    site.add(names.distribution, None, target=f"{names.module}.plugin", requires=("ossicle>=0.1,<0.2",))
    return names
