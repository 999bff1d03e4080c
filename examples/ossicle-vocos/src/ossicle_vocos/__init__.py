"""Vocos as a vocoder of ossicle."""
