"""From recordings to dictionaries."""
