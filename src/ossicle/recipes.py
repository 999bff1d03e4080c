"""Recipes: found in plugins, and in folders named ``recipes`` at or above the working folder."""

from __future__ import annotations

import difflib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from ossicle.errors import ConfigError, UnknownNameError
from ossicle.plugin import Recipe
from ossicle.registry import Registry
from ossicle.toml import read_toml

SETTINGS = "recipe.toml"


@dataclass(frozen=True)
class FoundRecipe:
    """A recipe, its folder, and who brought it: a distribution's name, or ``folder``."""

    name: str
    folder: Path
    summary: str
    source: str


def find_recipes(registry: Registry) -> list[FoundRecipe]:
    """Return all recipes, sorted by name; folders come before plugins where names meet.

    Folders are those of ``OSSICLE_RECIPES`` (separated as PATH is), then ``recipes`` in the working folder and above.
    """
    found: dict[str, FoundRecipe] = {}
    for root in _roots():
        for settings in sorted(root.glob(f"*/*/{SETTINGS}")):
            folder = settings.parent
            name = f"{folder.parent.name}/{folder.name}"
            found.setdefault(name, FoundRecipe(name, folder, _summary(settings), "folder"))
    for status, record in registry.host.records("ossicle_recipes"):
        if isinstance(record, Recipe):
            folder = _record_folder(record)
            found.setdefault(
                record.name,
                FoundRecipe(record.name, folder, record.summary or _summary(folder / SETTINGS), status.name),
            )
    return sorted(found.values(), key=lambda recipe: recipe.name)


def find_recipe(registry: Registry, name: str) -> FoundRecipe:
    """Return one recipe by name.

    Raises
    ------
    UnknownNameError
        If there is none; close names are listed.
    """
    recipes = find_recipes(registry)
    for recipe in recipes:
        if recipe.name == name:
            return recipe
    known = [recipe.name for recipe in recipes]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    raise UnknownNameError(
        f"no recipe is named {name!r}",
        why=f"looked in plugins and in {', '.join(map(str, _roots())) or 'no recipes folder'}",
        hint=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known) or 'none'}",
    )


def _roots() -> list[Path]:
    given = os.environ.get("OSSICLE_RECIPES")
    if given is not None:
        return [Path(part) for part in given.split(os.pathsep) if part]
    here = Path.cwd()
    return [folder / "recipes" for folder in (here, *here.parents) if (folder / "recipes").is_dir()]


def _record_folder(record: Recipe) -> Path:
    package, colon, below = record.folder.partition(":")
    if not colon:
        return Path(record.folder)
    spec = importlib.util.find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) / below if locations else Path(below)


def _summary(settings: Path) -> str:
    try:
        return str(read_toml(settings).get("recipe", {}).get("summary", ""))
    except ConfigError as error:
        return f"unreadable: {error.what}"
