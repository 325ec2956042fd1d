from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import activations, beta_divergence, update_H, update_W

from . import naive
from .conftest import Example

BETAS = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
RTOL: list[tuple[Any, float]] = [(np.float64, 1e-7), (np.float32, 2e-4)]
Make = Callable[..., Example]


@pytest.mark.parametrize(("dtype", "rtol"), RTOL)
@pytest.mark.parametrize("beta", BETAS)
def test_update_h_agrees_with_the_equation(example: Make, beta: float, dtype: Any, rtol: float) -> None:
    V, W, H = example(dtype=dtype)
    l1 = np.linspace(0, 2, W.shape[1])
    M = np.random.default_rng(3).uniform(0, 2, V.shape)
    assert_allclose(
        update_H(V, W, H, beta=beta, n_iter=3), naive.update_H(V, W, H, beta, n_iter=3), rtol=rtol
    )
    assert_allclose(update_H(V, W, H, beta=beta, l1_H=0.3), naive.update_H(V, W, H, beta, 0.3), rtol=rtol)
    assert_allclose(
        update_H(V, W, H, beta=beta, l1_H=l1, weights=M, n_iter=2),
        naive.update_H(V, W, H, beta, l1, M, n_iter=2),
        rtol=rtol,
    )


@pytest.mark.parametrize(("dtype", "rtol"), RTOL)
@pytest.mark.parametrize("beta", BETAS)
def test_update_w_agrees_with_the_equation(example: Make, beta: float, dtype: Any, rtol: float) -> None:
    V, W, H = example(dtype=dtype)
    l1 = np.linspace(0, 2, W.shape[1])
    M = np.random.default_rng(3).uniform(0, 2, V.shape)
    free = np.array([True, False, True, False])
    assert_allclose(update_W(V, W, H, beta=beta), naive.update_W(V, W, H, beta), rtol=rtol)
    assert_allclose(
        update_W(V, W, H, beta=beta, l1_W=l1, weights=M), naive.update_W(V, W, H, beta, l1, M), rtol=rtol
    )
    assert_allclose(
        update_W(V, W, H, beta=beta, l1_W=0.5, free=free),
        naive.update_W(V, W, H, beta, 0.5, free=free),
        rtol=rtol,
    )


@pytest.mark.parametrize(("dtype", "rtol"), RTOL)
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_unit_norm_update_agrees_with_the_equation(
    example: Make, beta: float, dtype: Any, rtol: float
) -> None:
    V, W, H = example(dtype=dtype)
    got = update_W(V, W, H, beta=beta, norm="l2", l1_W=0.2)
    assert_allclose(got, naive.update_W_unit(V, W, H, beta, 0.2), rtol=rtol)
    assert_allclose((got**2).sum(0), 1, rtol=1e-5)


def test_more_frames_than_a_tile(example: Make) -> None:
    V, W, H = example(n_features=5, n_frames=300, n_components=3)
    for beta in (0.0, 1.0, 2.0):
        assert_allclose(update_H(V, W, H, beta=beta), naive.update_H(V, W, H, beta), rtol=1e-7)
        assert_allclose(update_W(V, W, H, beta=beta), naive.update_W(V, W, H, beta), rtol=1e-7)


@given(
    st.floats(-1.5, 4), st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4),
    st.sampled_from([0.0, 0.5]), st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_cost_does_not_rise(
    beta: float, seed: int, n_features: int, n_frames: int, n_components: int, l1: float, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    V = rng.gamma(0.5, 1, (n_features, n_frames)) + 1e-2
    W, H = (
        rng.gamma(1, 1, (n_features, n_components)) + 1e-3,
        rng.gamma(1, 1, (n_components, n_frames)) + 1e-3,
    )
    M = rng.uniform(0.1, 2, V.shape) if weighted else np.ones_like(V)
    # these limits of the general formula cancel badly when beta is near them
    beta = round(beta, 2)

    def cost() -> float:
        return beta_divergence(V, W @ H, beta, weights=M) + l1 * float(H.sum() + W.sum())

    before = cost()
    for _ in range(4):
        H = update_H(V, W, H, beta=beta, l1_H=l1, weights=M)
        after_h = cost()
        assert after_h <= before + 1e-7 * (1 + abs(before))
        W = update_W(V, W, H, beta=beta, l1_W=l1, weights=M)
        before = cost()
        assert before <= after_h + 1e-7 * (1 + abs(after_h))


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_cost_does_not_rise_in_float32(example: Make, beta: float) -> None:
    V, W, H = example(n_features=30, n_frames=40, dtype=np.float32)
    before = beta_divergence(V, W @ H, beta)
    for _ in range(100):
        H = update_H(V, W, H, beta=beta)
        W = update_W(V, W, H, beta=beta)
        after = beta_divergence(V, W.astype(float) @ H, beta)
        assert after <= before * (1 + 1e-6)
        before = after


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_sparse_objective_falls_as_observed(example: Make, beta: float) -> None:
    V, W, H = example(n_features=20, n_frames=30, n_components=6)
    W = W / np.sqrt((W**2).sum(0))
    costs = []
    for _ in range(60):
        H = update_H(V, W, H, beta=beta, l1_H=0.3)
        W = update_W(V, W, H, beta=beta, norm="l2")
        costs.append(beta_divergence(V, W @ H, beta) + 0.3 * H.sum())
    assert np.all(np.diff(costs) <= 1e-9 * costs[0])
    assert costs[-1] < 0.9 * costs[0]


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5, 2.0])
@pytest.mark.filterwarnings("ignore:V has .* scattered zeros")  # with beta 0
def test_missing_entries_are_ignored_not_zeros(example: Make, beta: float) -> None:
    V, W, H = example()
    M = np.ones_like(V)
    M[3:6, 2:9] = 0
    holes = np.where(M > 0, V, np.nan)
    garbage = np.where(M > 0, V, 1e3)
    for update in (update_H, update_W):
        expected = update(V, W, H, beta=beta, weights=M)
        assert_allclose(update(garbage, W, H, beta=beta, weights=M), expected, rtol=1e-9)
        assert_allclose(update(holes, W, H, beta=beta, weights=M), expected, rtol=1e-9)
        zeros = update(np.where(M > 0, V, 0), W, H, beta=beta)
        assert not np.allclose(zeros, expected, rtol=1e-2)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_features_unknown_throughout_are_as_if_not_there(example: Make, beta: float) -> None:
    V, W, _ = example()
    M = np.ones_like(V)
    M[8:] = 0
    got = activations(V, W, beta=beta, weights=M, n_iter=30)
    assert_allclose(got, activations(V[:8], W[:8], beta=beta, n_iter=30), rtol=1e-3, atol=1e-5)


def test_a_frame_of_which_nothing_is_known_keeps_its_activations(example: Make) -> None:
    V, W, H = example()
    M = np.ones_like(V)
    M[:, 4] = 0
    for beta in (0.0, 1.0, 2.0):
        got = update_H(V, W, H, beta=beta, weights=M)
        assert_array_equal(got[:, 4], H[:, 4])
        assert not np.allclose(got[:, 5], H[:, 5])


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_weight_two_is_a_column_twice(example: Make, beta: float) -> None:
    V, W, H = example()
    M = np.ones_like(V)
    M[:, 5] = 2
    twice = np.append(np.arange(V.shape[1]), 5)
    assert_allclose(
        update_W(V, W, H, beta=beta, weights=M), update_W(V[:, twice], W, H[:, twice], beta=beta), rtol=1e-9
    )


def test_l1_acts_on_its_own_atom(example: Make) -> None:
    V, W, _ = example()
    plain = activations(V, W, n_iter=300)
    for k in range(W.shape[1]):
        l1 = np.zeros(W.shape[1])
        l1[k] = 5.0
        sparse = activations(V, W, n_iter=300, l1_H=l1)
        assert sparse[k].sum() < 0.5 * plain[k].sum()
        assert np.delete(sparse, k, axis=0).sum() > np.delete(plain, k, axis=0).sum()


@pytest.mark.parametrize("norm", [None, "l2"])
@pytest.mark.parametrize("free", [slice(1, 3), [1, 2], np.array([False, True, True, False])])
def test_fixed_atoms_stay_bit_for_bit(example: Make, free: Any, norm: Any) -> None:
    for dtype in (np.float32, np.float64):
        V, W, H = example(dtype=dtype)
        got = update_W(V, W, H, free=free, norm=norm, n_iter=5)
        assert_array_equal(got[:, [0, 3]], W[:, [0, 3]])
        assert np.all(np.abs(got[:, 1:3] - W[:, 1:3]).max(axis=0) > 1e-3)


def test_no_free_atoms_change_nothing(example: Make) -> None:
    V, W, H = example()
    assert_array_equal(update_W(V, W, H, free=()), W)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_fixed_atoms_have_one_optimum(example: Make, beta: float) -> None:
    V, W, _ = example(n_features=15, n_frames=5, n_components=3)
    rng = np.random.default_rng(5)
    costs = []
    for scale in (1e-3, 1.0, 1e3):
        start = scale * rng.uniform(0.1, 1, (3, 5))
        costs.append(beta_divergence(V, W @ activations(V, W, H=start, beta=beta, n_iter=3000), beta))
    assert_allclose(costs, costs[0], rtol=1e-6)


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("l1", [0.0, 0.5])
def test_momentum_agrees_with_the_equation(example: Make, beta: float, l1: float) -> None:
    V, W, H = example()
    got = activations(V, W, beta=beta, H=H, n_iter=12, l1_H=l1, momentum=0.8)
    assert_allclose(got, naive.with_momentum(V, W, H, beta, l1, 12, 0.8), rtol=1e-7)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_momentum_saves_two_updates_of_three_and_the_cost_falls_as_observed(
    example: Make, beta: float
) -> None:
    V, W, _ = example(n_features=30, n_frames=40, n_components=10)
    costs = [beta_divergence(V, W @ activations(V, W, beta=beta, n_iter=n), beta) for n in range(1, 60)]
    plain = beta_divergence(V, W @ activations(V, W, beta=beta, n_iter=60, momentum=0), beta)
    assert costs[20] < plain
    assert np.all(np.diff(costs) < 1e-9 * costs[0])


@pytest.mark.parametrize("momentum", [-0.1, 1.0, np.nan])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(ParameterError, match=rf"momentum={momentum}; must be a number from 0 to 0.999"):
        activations(np.ones((2, 2)), np.ones((2, 1)), momentum=momentum)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("factor", [1e-3, 2.0**-20, 1e4])
@pytest.mark.filterwarnings("ignore:V has .* scattered zeros")  # with beta 0
def test_activations_follow_the_level(example: Make, beta: float, factor: float) -> None:
    V, W, _ = example(dtype=np.float32)
    V[2, 3] = V[:, 7] = 0
    expected = activations(V, W, beta=beta)
    got = activations(np.float32(factor) * V, W, beta=beta) / np.float32(factor)
    assert_allclose(got, expected, rtol=2e-3, atol=1e-6)
    if factor == 2.0**-20:
        assert_array_equal(got, expected)


@pytest.mark.parametrize("level", [1e-30, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize("beta", [-1.0, 0.0, 1.0, 2.0, 3.0])
def test_extreme_levels_leave_no_float32_range(example: Make, beta: float, level: float) -> None:
    V, W, _ = example(dtype=np.float32)
    expected = activations(V, W, beta=beta, n_iter=10)
    got = activations(V * np.float32(level), W, beta=beta, n_iter=10)
    assert_allclose(got / np.float32(level), expected, rtol=1e-3)


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_zeros_and_silence_give_no_nan_and_no_denormals(beta: float) -> None:
    rng = np.random.default_rng(0)
    V = rng.gamma(1, 1, (8, 10)).astype(np.float32)
    V[3] = 0
    V[:, 6] = 0
    W, H = rng.random((8, 3), dtype=np.float32), rng.random((3, 10), dtype=np.float32)
    W[:, 2] = 0
    for data in (V, np.zeros_like(V)):
        h = update_H(data, W, H, beta=beta, n_iter=300)
        w = update_W(data, W, h, beta=beta, n_iter=300)
        for a in (h, w):
            assert np.all(np.isfinite(a))
            assert np.all((a == 0) | (a > 1e-35))
        assert_array_equal(w[:, 2], 0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_thousands_of_updates_decay_into_no_denormals(momentum: float) -> None:
    W = np.eye(3, dtype=np.float32) + np.float32(0.1)
    V = np.array([[1.0], [0.0], [0.0]], np.float32)
    H = activations(V, W, n_iter=5000, momentum=momentum)
    assert H.min() > 1e-12


def test_silence_comes_out_silent(example: Make) -> None:
    V, W, _ = example(dtype=np.float32)
    V[:, 4] = 0
    H = activations(V, W, n_iter=100)
    assert H[:, 4].max() < 1e-8 * H.max()


def test_zeros_of_the_start_stay_zero_and_small_values_can_grow(example: Make) -> None:
    V, W, H = example()
    H[1, 3] = 0
    H[2, 3] = 1e-300
    W[4, 1] = 0
    got = update_H(V, W, H, n_iter=300)
    assert got[1, 3] == 0
    assert got[2, 3] > 0
    assert update_W(V, W, H, n_iter=20)[4, 1] == 0
    revived = update_H(W @ np.ones_like(H), W, np.full_like(H, 1e-200), n_iter=500)
    assert_allclose(W @ revived, W @ np.ones_like(H), rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "wanted"), [(np.float32, np.float32), (np.float64, np.float64), (np.int16, np.float32)]
)
def test_dtype_in_is_dtype_out(given: Any, wanted: Any) -> None:
    V = np.arange(1, 13).reshape(3, 4).astype(given)
    W, H = np.ones((3, 2)), np.ones((2, 4))
    assert update_H(V, W, H).dtype == wanted
    assert update_W(V, W, H).dtype == wanted
    assert activations(V, W, n_iter=1).dtype == wanted


def test_inputs_are_left_alone_in_any_memory_order(example: Make) -> None:
    V, W, H = example()
    expected_h, expected_w = update_H(V, W, H), update_W(V, W, H, norm="l2")
    for order in ("C", "F"):
        copies = [np.array(a, order=order) for a in (V, W, H)]
        for a in copies:
            a.flags.writeable = False
        assert_array_equal(update_H(*copies), expected_h)
        assert_array_equal(update_W(*copies, norm="l2"), expected_w)
