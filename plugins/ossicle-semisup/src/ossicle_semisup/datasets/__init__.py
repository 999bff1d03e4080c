"""Data sets: where clips, labels and official splits lie on a disk."""
