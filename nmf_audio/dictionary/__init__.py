"""Dictionaries: the object and its file, the arrays of trained ones, the folders they are found in."""
