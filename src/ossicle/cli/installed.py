"""What is installed, read from metadata alone: no plugin is loaded."""

from __future__ import annotations

import importlib.metadata
import json
from urllib.parse import urlparse
from urllib.request import url2pathname

from ossicle.host import canonicalize_name


def installed_plugins() -> list[importlib.metadata.Distribution]:
    """Return the distributions that have an entry point of ossicle's, by name; of several copies the one that counts."""
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        if any(entry.group.startswith("ossicle.v") for entry in distribution.entry_points):
            found.setdefault(canonicalize_name(distribution.metadata["Name"] or "unknown"), distribution)
    return [found[name] for name in sorted(found)]


def requirement_lines() -> list[str]:
    """Return the installed plugins as lines of a requirements file: what `plugins install -r` takes elsewhere.

    From an index it is ``name==version``; from a file, an archive or a repository ``name @ URL``; a folder that is used where
    it lies is ``-e FOLDER`` below a comment, since another machine will have it elsewhere or not at all.
    """
    lines = []
    for distribution in installed_plugins():
        name, version = distribution.metadata["Name"], distribution.version
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if not origin:
            lines.append(f"{name}=={version}")
        elif origin.get("dir_info", {}).get("editable"):
            folder = url2pathname(urlparse(origin["url"]).path)
            lines += [f"# {name}=={version}, used where it lies:", f"-e {folder}"]
        elif vcs := origin.get("vcs_info"):
            lines.append(f"{name} @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}")
        else:
            lines.append(f"{name} @ {origin['url']}")
    return lines
