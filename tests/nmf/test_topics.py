"""PLSA: it is KL-NMF, and a likelihood that does not fall."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import beta_divergence, factorize, plsa, update_H, update_W


def test_updates_are_those_of_kl_nmf() -> None:
    rng = np.random.default_rng(0)
    V = rng.poisson(3, (9, 12)).astype(float)
    F, T, k = rng.random((9, 3)), rng.random((3, 12)), rng.random(3)
    F, T, k = F / F.sum(0), T / T.sum(1, keepdims=True), k / k.sum()
    got = plsa(V, 3, features=F, frames=T, weight=k, max_iter=1, tol=0)
    # atoms with sums of 1, so that the activations hold the level
    H = V.sum() * k[:, None] * T
    W = update_W(V, F, H)
    assert_allclose(got.features, W / W.sum(0), atol=1e-10)
    H = update_H(V, F, H)
    assert_allclose(got.frames, H / H.sum(1, keepdims=True), atol=1e-10)
    assert_allclose(got.weight, H.sum(1) / V.sum(), atol=1e-10)


def test_fixed_points_are_those_of_kl_nmf() -> None:
    rng = np.random.default_rng(1)
    V = rng.random((8, 2)) @ rng.random((2, 10)) + 0.1 * rng.random((8, 10))
    nmf = factorize(V, 2, max_iter=800, tol=0, rng=0)
    size = nmf.W.sum(0) * nmf.H.sum(1)
    again = plsa(V, 2, features=nmf.W, frames=nmf.H, weight=size, max_iter=1, tol=0)
    model = V.sum() * (again.features * again.weight) @ again.frames
    assert_allclose(model, nmf.W @ nmf.H, atol=1e-5)
    found = plsa(V, 2, max_iter=800, tol=0, rng=0)
    model = V.sum() * (found.features * found.weight) @ found.frames
    assert beta_divergence(V, model, 1) == pytest.approx(nmf.cost, rel=1e-3)
    assert found.log_likelihood == pytest.approx((V * np.log(model / V.sum())).sum())
    W = update_W(V, found.features, found.weight[:, None] * found.frames * V.sum())
    assert_allclose(W, found.features, atol=1e-5)


def test_the_likelihood_does_not_fall_and_distributions_sum_to_one() -> None:
    V = np.random.default_rng(2).poisson(1, (10, 15))
    V[3], V[:, 4] = 0, 0
    runs = [plsa(V, 4, max_iter=n, tol=0, rng=0) for n in (1, 2, 3, 5, 10, 50)]
    assert np.all(np.diff([run.log_likelihood for run in runs]) >= -1e-9)
    assert_allclose(runs[-1].features.sum(0), 1)
    assert_allclose(runs[-1].frames.sum(1), 1)
    assert runs[-1].weight.sum() == pytest.approx(1)
    assert plsa(V, 4, tol=1e-3, rng=0).n_iter < 200
    assert_allclose(plsa(1e300 * V, 4, max_iter=10, tol=0, rng=0).features, runs[4].features, rtol=1e-6)


def test_what_is_not_allowed_is_named() -> None:
    with pytest.raises(ParameterError, match="V is all 0; must be above 0"):
        plsa(np.zeros((2, 3)), 1)
    with pytest.raises(ParameterError, match="weight has a topic of 0"):
        plsa(np.ones((2, 3)), 2, weight=[0.0, 0.0])
    with pytest.raises(ParameterError, match="features has a topic of 0; must be above 0 in at least one"):
        plsa(np.ones((2, 3)), 2, features=[[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ParameterError, match=r"V\[0, 0\]=-1"):
        plsa([[-1.0]], 1)
