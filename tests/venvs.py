"""Virtual environments for tests: what is installed here is seen there, and what is installed there stays there."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path


class Venv:
    """A new environment without pip of its own; its packages are found before those of this one.

    Parameters
    ----------
    folder
        Where it is made.
    """

    def __init__(self, folder: Path):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = folder / scripts / "python"
        (self.site,) = folder.rglob("site-packages")
        # addsitedir, so that editable installs are found as well.
        here = sysconfig.get_path("purelib")
        (self.site / "host.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def run(self, *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python with some words."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OSSICLE_")}
        command = [str(self.python), *map(str, words)]
        return subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True)

    def ossicle(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run this environment's ossicle."""
        return self.run("-m", "ossicle", *words)

    def states(self) -> dict[str, str]:
        """Return the state of every plugin that is found in it."""
        return {s["name"]: s["state"] for s in json.loads(self.ossicle("plugins", "list", "--json").stdout)}
