"""The gated recurrent unit's kernels: equations, and gradients against finite differences of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.nmf.kernels import gated_recurrent

Array = npt.NDArray[np.float32]
T, N, n = 7, 5, 3


def naive_states(x: npt.NDArray[np.float64], back: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Row by row, frame by frame, in float64, as Cho et al. (2014), but that a unit keeps at most 0.995."""
    states = np.zeros((T, N, n))
    for row in range(N):
        z = np.zeros(n)
        for t in range(T):
            x_u, x_r, x_c = np.split(x[t, row], 3)
            s_u, s_r, s_c = np.split(z @ back, 3)
            u, r = 0.995 / (1 + np.exp(-x_u - s_u)), 1 / (1 + np.exp(-x_r - s_r))
            z = u * z + (1 - u) * np.tanh(x_c + r * s_c)
            states[t, row] = z
    return states


@pytest.fixture
def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = 2 * rng.standard_normal((T, N, 3 * n), dtype=np.float32)
    return x, rng.standard_normal((n, 3 * n), dtype=np.float32)


def run(x: Array, back: Array) -> tuple[Array, Array, Array]:
    gates, candidate, states = x.copy(), np.empty((T, N, n), np.float32), np.zeros((T + 1, N, n), np.float32)
    gated_recurrent.forward(gates, candidate, back, states)
    return gates, candidate, states


def test_states_are_those_of_the_equations(data: tuple[Array, Array]) -> None:
    x, back = data
    expected = naive_states(x.astype(np.float64), back.astype(np.float64))
    np.testing.assert_allclose(run(x, back)[2][1:], expected, atol=2e-6)


def test_gates_stay_finite_when_they_saturate(data: tuple[Array, Array]) -> None:
    x, back = data
    for size in (20, 40):
        states = run(np.float32(size) * np.sign(x), back)[2]
        assert np.isfinite(states).all()
        assert np.abs(states).max() <= 1


def test_gradients_are_the_slopes_of_the_equations(data: tuple[Array, Array]) -> None:
    x, back = data
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((T, N, n), dtype=np.float32)
    gates, candidate, states = run(x, back)
    gated_recurrent.backward(gates, candidate, back, states, weights)
    d_states = np.concatenate([gates[..., : 2 * n], candidate], axis=-1)
    d_back = np.einsum("tik,tij->kj", states[:-1], d_states)

    def slope(x_way: npt.NDArray[np.float64], back_way: npt.NDArray[np.float64]) -> float:
        above, below = (
            (naive_states(x + e * x_way, back + e * back_way) * weights).sum() for e in (1e-6, -1e-6)
        )
        return float(above - below) / 2e-6

    still = np.zeros(x.shape), np.zeros(back.shape)
    for _ in range(4):
        way, way_back = rng.standard_normal(x.shape), rng.standard_normal(back.shape)
        assert slope(way, still[1]) == pytest.approx(float((gates * way).sum()), rel=1e-4, abs=1e-4)
        assert slope(still[0], way_back) == pytest.approx(
            float((d_back * way_back).sum()), rel=1e-4, abs=1e-4
        )
