"""Separation of mixtures: by dictionaries of named sources, or by what the mixture itself shows."""
