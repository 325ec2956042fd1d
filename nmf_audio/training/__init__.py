"""Training: recordings in, dictionaries out."""
