"""Decompositions: normalised bands in, one spectrum and one mask per source out, frame after frame."""

from nmf_audio.decompose.methods import METHODS, Method, default_method, make_decomposition

__all__ = ["METHODS", "Method", "default_method", "make_decomposition"]
