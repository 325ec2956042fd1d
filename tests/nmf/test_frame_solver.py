from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import FrameSolver

from . import naive
from .conftest import Example

Make = Callable[..., Example]


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 3e-4)])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_agrees_with_the_equation(example: Make, beta: float, dtype: Any, rtol: float) -> None:
    V, W, H = example(dtype=dtype)
    l1 = np.linspace(0.1, 1, W.shape[1])
    weights = np.linspace(0, 2, len(V))
    solver = FrameSolver(W, beta=beta, n_iter=4, l1_H=l1, weights=weights, eps=1e-3)
    expected = naive.update_H(V, W, H, beta, l1, weights[:, None], eps=1e-3, n_iter=4)
    assert_allclose(solver.solve(V, H), expected, rtol=rtol)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_frame_does_not_depend_on_its_neighbours(beta: float) -> None:
    rng = np.random.default_rng(0)
    V = rng.gamma(1, 1, (101, 23)).astype(np.float32)
    solver = FrameSolver(rng.random((101, 37), dtype=np.float32), beta=beta, n_iter=10)
    together = solver.solve(V)
    for cut in (1, 7, 22):
        assert_array_equal(np.hstack([solver.solve(V[:, :cut]), solver.solve(V[:, cut:])]), together)
    for t in range(V.shape[1]):
        h = np.ones(37, np.float32)
        solver(np.ascontiguousarray(V[:, t]), h)
        assert_array_equal(h, together[:, t])


def test_no_frames_give_no_activations() -> None:
    assert FrameSolver(np.ones((4, 2), np.float32)).solve(np.empty((4, 0))).shape == (2, 0)


def test_activations_stay_above_the_floor_and_zeros_stay_zero() -> None:
    solver = FrameSolver(np.eye(3, dtype=np.float32), n_iter=50, floor=1e-5)
    h = np.array([1, 1, 0], np.float32)
    solver(np.array([1, 0, 1], np.float32), h)
    assert_allclose(h, [1, 1e-5, 0], rtol=1e-4)


def test_replaced_atoms_are_those_that_count(example: Make) -> None:
    V, W, H = example()
    solver = FrameSolver(np.ones_like(W), l1_H=0.1, n_iter=5)
    solver.set_atoms(0, W[:, :1])
    solver.set_atoms(1, W[:, 1:])
    assert_array_equal(solver.W, W)
    assert_allclose(solver.solve(V, H), FrameSolver(W, l1_H=0.1, n_iter=5).solve(V, H), rtol=1e-12)


def test_dtype_is_float32_unless_the_atoms_are_float64() -> None:
    assert FrameSolver(np.ones((2, 2), np.float64)).dtype == np.float64
    assert FrameSolver(np.ones((2, 2), np.float32)).dtype == np.float32
    assert FrameSolver(np.ones((2, 2), np.int64)).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": np.ones(3)}, r"W has shape \(3,\)"),
        ({"W": -np.ones((3, 2))}, r"W\[0, 0\]=-1"),
        ({"beta": np.nan}, "beta=nan"),
        ({"n_iter": -1}, "n_iter=-1"),
        ({"n_iter": 1.5}, "n_iter=1.5"),
        ({"l1_H": [1.0, 2.0, 3.0]}, r"l1_H has shape \(3,\); must be of shape \(2,\)"),
        ({"weights": np.ones(2)}, r"weights has shape \(2,\); must be of shape \(3,\)"),
        ({"weights": [1, 1, -1]}, r"weights\[2\]=-1"),
        ({"eps": 0.0}, "eps=0"),
        ({"floor": 0.0}, "floor=0"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FrameSolver(**{"W": np.ones((3, 2)), **arguments})


def test_bad_data_are_refused() -> None:
    solver = FrameSolver(np.ones((3, 2)))
    with pytest.raises(ParameterError, match=r"V has shape \(2, 2\)"):
        solver.solve(np.ones((2, 2)))
    with pytest.raises(ParameterError, match=r"V\[1, 1\]=nan"):
        solver.solve([[1.0, 1.0], [1.0, np.nan], [1.0, 1.0]])
    with pytest.raises(ParameterError, match=r"H has shape \(2, 1\)"):
        solver.solve(np.ones((3, 2)), np.ones((2, 1)))
