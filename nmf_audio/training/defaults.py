"""Defaults of the training functions and of ``nmf-audio train``, in one place that imports nothing."""

__all__ = ["BETA", "L1_H", "MAX_ITER", "MAX_SECONDS", "N_COMPONENTS", "N_FRAMES"]

N_COMPONENTS = {"speech": 160, "noise": 111}
BETA = 1.0
L1_H = 0.0
MAX_ITER = 100
N_FRAMES = 50_000
MAX_SECONDS = 3600.0
