"""`ossicle recipe`: list, show and run recipes."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

from cyclopts import App, Parameter

from ossicle.cli import options
from ossicle.cli.console import emit, emit_json, say, table
from ossicle.errors import ConfigError
from ossicle.recipes import SETTINGS, find_recipe, find_recipes
from ossicle.registry import default_registry

app = App(
    name="recipe", help="List, show and run recipes: a data set and a task, from data to table.", version_flags=[]
)


@app.command(name="list")
def list_(*, json: options.Json = False) -> int:
    """List recipes: those of plugins, and folders recipes/<dataset>/<task> here or above (or in OSSICLE_RECIPES)."""
    recipes = find_recipes(default_registry())
    if json:
        emit_json(
            [{"name": r.name, "summary": r.summary, "folder": str(r.folder), "source": r.source} for r in recipes]
        )
    elif recipes:
        emit(table([(r.name, r.summary) for r in recipes], ("recipe", "summary")))
    else:
        emit("no recipes were found here or above; OSSICLE_RECIPES can name a folder of them")
    return 0


@app.command
def show(name: Annotated[str, Parameter(help="dataset/task")], /, *, json: options.Json = False) -> int:
    """Show a recipe's README and settings."""
    recipe = find_recipe(default_registry(), name)
    texts = {
        file: (recipe.folder / file).read_text("utf-8")
        for file in ("README.md", SETTINGS)
        if (recipe.folder / file).exists()
    }
    if json:
        emit_json({"name": recipe.name, "folder": str(recipe.folder), "files": texts})
        return 0
    for file, text in texts.items():
        emit(f"--- {recipe.folder / file}\n{text.rstrip()}")
    return 0


@app.command
def run(
    name: Annotated[str, Parameter(help="dataset/task")],
    /,
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, help="Passed to the recipe; try --help.")],
) -> int:
    """Run a recipe with its own arguments: ossicle recipe run kerstin/vocoder --data DIR --out RUN."""
    recipe = find_recipe(default_registry(), name)
    script = recipe.folder / "run.py"
    if not script.exists():
        raise ConfigError(f"the recipe {name} has no run.py", why=f"looked in {recipe.folder}")
    command = [sys.executable, str(script), *arguments]
    say(f"running {name}: {script}")
    return subprocess.run(command, check=False).returncode
