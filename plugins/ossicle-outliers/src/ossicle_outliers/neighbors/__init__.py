"""Nearest neighbours: exact by tiles with a running top-k, or approximate by wish, with the recall it reached."""

from ossicle_outliers.neighbors.search import Neighbors, search

__all__ = ["Neighbors", "search"]
