"""Decompositions: normalised bands in, one spectrum and one mask per source out, frame after frame."""
