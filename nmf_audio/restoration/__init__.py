"""Restoration of samples that are lost: clipping and gaps."""
