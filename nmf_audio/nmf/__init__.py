"""Non-negative matrix factorization, independent of audio.

V ~= W @ H with V (n_features, n_frames), W (n_features, n_components), H (n_components, n_frames): one column
of V is one frame. Names are imported when they are first used: importing this package loads neither numba nor
numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmf_audio.nmf.convex import ConvexFactorization, SemiFactorization, factorize_convex, factorize_semi
    from nmf_audio.nmf.divergences import beta_divergence
    from nmf_audio.nmf.factorization import Factorization, factorize
    from nmf_audio.nmf.frame_solver import FrameSolver
    from nmf_audio.nmf.init import initialize
    from nmf_audio.nmf.kmeans import k_means
    from nmf_audio.nmf.least_squares import nnls
    from nmf_audio.nmf.model import NMF
    from nmf_audio.nmf.online import OnlineAtoms, sum_for_atoms
    from nmf_audio.nmf.penalised import Penalty, factorize_penalised
    from nmf_audio.nmf.separable import find_anchors
    from nmf_audio.nmf.symmetric import cluster, factorize_symmetric
    from nmf_audio.nmf.tensor import TensorFactorization, factorize_tensor
    from nmf_audio.nmf.topics import Topics, plsa
    from nmf_audio.nmf.updates import activations, update_H, update_W

_HOMES = {
    "NMF": "model",
    "ConvexFactorization": "convex",
    "Factorization": "factorization",
    "FrameSolver": "frame_solver",
    "OnlineAtoms": "online",
    "Penalty": "penalised",
    "SemiFactorization": "convex",
    "TensorFactorization": "tensor",
    "Topics": "topics",
    "activations": "updates",
    "beta_divergence": "divergences",
    "cluster": "symmetric",
    "factorize": "factorization",
    "factorize_convex": "convex",
    "factorize_penalised": "penalised",
    "factorize_semi": "convex",
    "factorize_symmetric": "symmetric",
    "find_anchors": "separable",
    "k_means": "kmeans",
    "sum_for_atoms": "online",
    "factorize_tensor": "tensor",
    "initialize": "init",
    "nnls": "least_squares",
    "plsa": "topics",
    "update_H": "updates",
    "update_W": "updates",
}

__all__ = [
    "NMF",
    "ConvexFactorization",
    "Factorization",
    "FrameSolver",
    "OnlineAtoms",
    "Penalty",
    "SemiFactorization",
    "TensorFactorization",
    "Topics",
    "activations",
    "beta_divergence",
    "cluster",
    "factorize",
    "factorize_convex",
    "factorize_penalised",
    "factorize_semi",
    "factorize_symmetric",
    "factorize_tensor",
    "find_anchors",
    "initialize",
    "k_means",
    "nnls",
    "plsa",
    "sum_for_atoms",
    "update_H",
    "update_W",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
