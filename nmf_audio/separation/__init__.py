"""Separation of mixtures: by dictionaries of named sources, or by learning from the mixture itself."""
