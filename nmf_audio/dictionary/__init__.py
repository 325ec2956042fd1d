"""Dictionaries: the object and its file, the arrays of trained ones, the folders they are found in."""

from nmf_audio.dictionary.dictionary import Dictionary, Group, load_dictionary, shipped_dictionaries

__all__ = ["Dictionary", "Group", "load_dictionary", "shipped_dictionaries"]
