import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import beta_divergence

from . import naive

BETAS = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


@pytest.mark.parametrize("beta", BETAS)
def test_agrees_with_the_definition(beta: float) -> None:
    rng = np.random.default_rng(0)
    V, L = rng.gamma(1, 1, (2, 5, 7))
    assert beta_divergence(V, L, beta) == pytest.approx(naive.divergence(V, L, beta), rel=1e-10)


@given(
    st.floats(0.01, 100),
    st.floats(0.01, 100),
    st.floats(-2, 4).filter(lambda b: min(abs(b), abs(b - 1)) > 1e-3),
)
def test_is_zero_only_where_model_and_data_agree(v: float, m: float, beta: float) -> None:
    assert beta_divergence([[v]], [[v]], beta) == pytest.approx(0, abs=1e-9 * max(1, v**beta))
    assert beta_divergence([[v]], [[m]], beta) >= -1e-9 * max(v**beta, m**beta, 1) / abs(beta * (beta - 1))


@pytest.mark.parametrize("beta", BETAS)
def test_scales_with_the_power_beta(beta: float) -> None:
    V, L = np.random.default_rng(1).gamma(1, 1, (2, 4, 4))
    assert beta_divergence(10 * V, 10 * L, beta) == pytest.approx(10**beta * beta_divergence(V, L, beta))


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_is_continuous_in_beta(limit: float) -> None:
    V, L = np.random.default_rng(2).gamma(1, 1, (2, 4, 4)) + 0.1
    assert beta_divergence(V, L, limit + 1e-6) == pytest.approx(beta_divergence(V, L, limit), rel=1e-4)


def test_zeros_have_their_limits() -> None:
    assert beta_divergence([[0.0]], [[3.0]], 1) == 3
    assert beta_divergence([[0.0]], [[0.0]], 1) == 0
    assert beta_divergence([[0.0]], [[0.0]], 0.5) == 0
    assert beta_divergence([[0.0]], [[3.0]], 0) == np.inf
    assert beta_divergence([[1.0]], [[0.0]], 1) == np.inf
    assert beta_divergence([[1.0]], [[0.0]], 2) == 0.5


def test_an_infinite_divergence_stays_infinite_at_any_scale() -> None:
    for scale in (1.0, 5e162, 1e-200):
        V = scale * np.array([[1.0, 0.0]])
        assert beta_divergence(V, V, beta=-2.0) == np.inf


def test_unknown_entries_do_not_count_whatever_they_hold() -> None:
    V, L = np.array([[1.0, np.nan, 2.0]]), np.array([[2.0, 5.0, 0.5]])
    weights = np.array([[1.0, 0.0, 2.0]])
    expected = beta_divergence([[1.0]], [[2.0]], 1) + 2 * beta_divergence([[2.0]], [[0.5]], 1)
    assert beta_divergence(V, L, 1, weights=weights) == pytest.approx(expected)


def test_shapes_must_agree() -> None:
    with pytest.raises(ParameterError, match=r"L has shape \(1, 3\); must be of shape \(1, 2\); that of V"):
        beta_divergence([[1.0, 2.0]], [[1.0, 2.0, 3.0]])
    with pytest.raises(ParameterError, match="weights has shape"):
        beta_divergence([[1.0, 2.0]], [[1.0, 2.0]], weights=[[1.0]])
