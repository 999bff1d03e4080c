"""The command `ossicle outliers`: fit on a pool or a table, score what may not belong."""
