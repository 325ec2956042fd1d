"""Non-negative matrix factorization, independent of audio.

V ~= W @ H with V (n_features, n_frames), W (n_features, n_components), H (n_components, n_frames): one column of V is
one frame, that is one sample. Start with

- `factorize`: atoms W and activations H of data V; `NMF` keeps the atoms for other data;
- `nnls`, `activations`: activations of atoms that are known;
- `cross_validate`: how many atoms; `match_atoms`: atoms in the order of others;
- `impute`, and ``weights=`` everywhere: missing data;
- `nmf_audio.nmf.estimator.NMFEstimator`: samples in rows, for scikit-learn's pipelines.

docs/nmf.md has a table of all of it, docs/gallery.md ten problems of several fields. Names are imported when they are
first used: importing this package loads neither numba nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmf_audio.nmf.convex import ConvexFactorization, SemiFactorization, factorize_convex, factorize_semi
    from nmf_audio.nmf.convolutive import ConvolutiveFactorization, factorize_convolutive
    from nmf_audio.nmf.cross_validation import CrossValidation, cross_validate
    from nmf_audio.nmf.divergences import beta_divergence
    from nmf_audio.nmf.factorization import Factorization, factorize
    from nmf_audio.nmf.frame_solver import FrameSolver
    from nmf_audio.nmf.imputation import Imputation, impute
    from nmf_audio.nmf.init import initialize
    from nmf_audio.nmf.joint import JointFactorization, factorize_joint
    from nmf_audio.nmf.kmeans import k_means
    from nmf_audio.nmf.least_squares import nnls
    from nmf_audio.nmf.matching import Matching, match_atoms
    from nmf_audio.nmf.model import NMF
    from nmf_audio.nmf.online import OnlineAtoms, sum_for_atoms
    from nmf_audio.nmf.orthogonal import OrthogonalFactorization, factorize_orthogonal
    from nmf_audio.nmf.penalised import Penalty, factorize_penalised
    from nmf_audio.nmf.rank_comparison import RankComparison, compare_ranks
    from nmf_audio.nmf.rank_factorization import RankFactorization, factorize_rank, factorize_rank_symmetric
    from nmf_audio.nmf.separable import find_anchors
    from nmf_audio.nmf.sequential import SequentialFactorization, factorize_sequentially, principal_residuals
    from nmf_audio.nmf.symmetric import cluster, factorize_symmetric
    from nmf_audio.nmf.tensor import TensorFactorization, factorize_tensor
    from nmf_audio.nmf.topics import Topics, plsa
    from nmf_audio.nmf.updates import activations, update_H, update_W

_HOMES = {
    "NMF": "model",
    "ConvexFactorization": "convex",
    "ConvolutiveFactorization": "convolutive",
    "CrossValidation": "cross_validation",
    "Factorization": "factorization",
    "FrameSolver": "frame_solver",
    "Imputation": "imputation",
    "JointFactorization": "joint",
    "Matching": "matching",
    "OnlineAtoms": "online",
    "OrthogonalFactorization": "orthogonal",
    "Penalty": "penalised",
    "RankComparison": "rank_comparison",
    "RankFactorization": "rank_factorization",
    "SemiFactorization": "convex",
    "SequentialFactorization": "sequential",
    "TensorFactorization": "tensor",
    "Topics": "topics",
    "activations": "updates",
    "beta_divergence": "divergences",
    "cluster": "symmetric",
    "compare_ranks": "rank_comparison",
    "cross_validate": "cross_validation",
    "factorize": "factorization",
    "factorize_convex": "convex",
    "factorize_convolutive": "convolutive",
    "factorize_joint": "joint",
    "factorize_orthogonal": "orthogonal",
    "factorize_penalised": "penalised",
    "factorize_rank": "rank_factorization",
    "factorize_rank_symmetric": "rank_factorization",
    "factorize_semi": "convex",
    "factorize_sequentially": "sequential",
    "factorize_symmetric": "symmetric",
    "factorize_tensor": "tensor",
    "find_anchors": "separable",
    "impute": "imputation",
    "initialize": "init",
    "k_means": "kmeans",
    "match_atoms": "matching",
    "nnls": "least_squares",
    "plsa": "topics",
    "principal_residuals": "sequential",
    "sum_for_atoms": "online",
    "update_H": "updates",
    "update_W": "updates",
}

__all__ = [
    "NMF",
    "ConvexFactorization",
    "ConvolutiveFactorization",
    "CrossValidation",
    "Factorization",
    "FrameSolver",
    "Imputation",
    "JointFactorization",
    "Matching",
    "OnlineAtoms",
    "OrthogonalFactorization",
    "Penalty",
    "RankComparison",
    "RankFactorization",
    "SemiFactorization",
    "SequentialFactorization",
    "TensorFactorization",
    "Topics",
    "activations",
    "beta_divergence",
    "cluster",
    "compare_ranks",
    "cross_validate",
    "factorize",
    "factorize_convex",
    "factorize_convolutive",
    "factorize_joint",
    "factorize_orthogonal",
    "factorize_penalised",
    "factorize_rank",
    "factorize_rank_symmetric",
    "factorize_semi",
    "factorize_sequentially",
    "factorize_symmetric",
    "factorize_tensor",
    "find_anchors",
    "impute",
    "initialize",
    "k_means",
    "match_atoms",
    "nnls",
    "plsa",
    "principal_residuals",
    "sum_for_atoms",
    "update_H",
    "update_W",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
