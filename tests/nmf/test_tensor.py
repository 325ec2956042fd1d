from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import beta_divergence, factorize, factorize_tensor

from . import naive


def _example(
    n_channels: int = 2, n_features: int = 7, n_frames: int = 9, n_components: int = 3, seed: int = 0
) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    V = rng.gamma(1.0, 1.0, (n_channels, n_features, n_frames)) + 0.01
    sizes = ((n_channels, n_components), (n_features, n_components), (n_components, n_frames))
    Q, W, H = (rng.uniform(0.1, 1.0, size) for size in sizes)
    return V, Q, W, H


def _model(Q: Any, W: Any, H: Any) -> Any:
    return np.einsum("ck,fk,kt->cft", Q, W, H)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_agrees_with_the_equations(beta: float) -> None:
    V, Q, W, H = _example(n_channels=3)
    ours = factorize_tensor(V, beta=beta, Q=Q, W=W, H=H, max_iter=20, tol=0)
    for _ in range(20):
        Q, W, H = naive.tensor_step(V, Q, W, H, beta)
    assert_allclose(_model(*ours[:3]), _model(Q, W, H), rtol=1e-6)
    assert ours.cost == pytest.approx(naive.divergence(V, _model(Q, W, H), beta), rel=1e-6)
    assert_allclose(ours.Q.sum(0), 1)
    assert_allclose((ours.W**2).sum(0), 1)


@given(
    st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_the_cost_rises_at_no_iteration(
    beta: float, n_channels: int, n_features: int, n_frames: int, n_components: int, seed: int
) -> None:
    V, Q, W, H = _example(n_channels, n_features, n_frames, n_components, seed)
    before = beta_divergence(V, _model(Q, W, H), beta)
    for _ in range(5):
        Q, W, H, _, cost = factorize_tensor(V, beta=beta, Q=Q, W=W, H=H, max_iter=1, tol=0)
        assert cost <= before + 1e-9 * (1 + abs(before))
        before = cost


def test_one_channel_is_nmf() -> None:
    V, _, W, H = _example(n_channels=1, n_features=12, n_frames=20)
    ours = factorize_tensor(V, Q=np.ones((1, 3)), W=W, H=H, max_iter=40, tol=0)
    # the place is one more factor per atom here, whose updates make the way, not the end, another
    assert_allclose(ours.cost, factorize(V[0], W=W, H=H, max_iter=40, tol=0, momentum=0).cost, rtol=2e-2)


def test_finds_the_places_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    Q, W, H = np.array([[0.9, 0.5, 0.2], [0.1, 0.5, 0.8]]), rng.random((20, 3)) ** 3, rng.random((3, 60)) ** 3
    found = factorize_tensor(_model(Q, W, H), 3, max_iter=2000, tol=0, rng=0)
    assert_allclose(np.sort(found.Q[0]), [0.2, 0.5, 0.9], atol=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_goes_to_the_activations(dtype: Any) -> None:
    V = _example()[0].astype(dtype)
    loud, quiet = (factorize_tensor(g * V, 2, rng=0, max_iter=30) for g in (1.0, 2.0**-20))
    assert loud.H.dtype == dtype
    assert_allclose(quiet.W, loud.W, rtol=1e-4, atol=1e-6)
    assert_allclose(quiet.H, loud.H * 2.0**-20, rtol=1e-3, atol=1e-9)


def test_silence_and_one_entry() -> None:
    silent = factorize_tensor(np.zeros((2, 3, 4)), 2, rng=0, max_iter=3)
    assert np.isfinite(silent.H).all()
    assert silent.H.max() < 1e-6
    assert factorize_tensor(np.ones((1, 1, 1)), 1, rng=0).cost < 1e-9


def test_tells_progress_and_ends_when_the_cost_stands_still() -> None:
    seen: list[tuple[int, float]] = []
    found = factorize_tensor(_example()[0], 3, tol=1e-3, rng=0, callback=lambda n, c: seen.append((n, c)))
    assert found.n_iter < 200
    assert [n for n, _ in seen] == list(range(10, found.n_iter + 1, 10))
    assert seen[-1][1] == pytest.approx(found.cost)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": np.ones((3, 4))}, "V has shape"),
        ({"V": np.full((1, 2, 3), -1.0)}, "V"),
        ({"n_components": None}, "n_components=None"),
        ({"n_components": 0}, "n_components=0"),
        ({"Q": np.ones((2, 3))}, "W=None; must be given beside the other two of Q, W and H"),
        (
            {"Q": np.ones((2, 3)), "W": np.ones((7, 2)), "H": np.ones((3, 9))},
            r"W has shape \(7, 2\); must be of",
        ),
        (
            {"Q": np.ones((2, 2)), "W": np.ones((7, 2)), "H": np.ones((2, 9))},
            r"Q has shape \(2, 2\); must be of",
        ),
        ({"n_components": 1, "Q": [[1], [1]], "W": -np.ones((7, 1)), "H": np.ones((1, 9))}, "W"),
        ({"tol": -1.0}, "tol"),
    ],
)
def test_faults_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"V": _example()[0], "n_components": 3} | change
    with pytest.raises(ParameterError, match=message):
        factorize_tensor(arguments.pop("V"), **arguments)
