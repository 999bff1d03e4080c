"""`ossicle outliers`: its commands, each imported when it is called."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="ossicle outliers", help="Find clips in a pool, or rows in a table, that do not belong.", version_flags=[]
)
app.command("ossicle_outliers.commands.fit:fit", name="fit", help="Learn what is normal from a pool or a table.")
app.command("ossicle_outliers.commands.score:score", name="score", help="Rank clips or rows by how little they belong.")
