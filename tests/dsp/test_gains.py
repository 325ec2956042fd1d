from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import exp1

from nmf_audio.dsp.gains import exponential_integral, floor_from_db, log_mmse_gain, ratio_mask

spectra = hnp.arrays(
    np.float32,
    st.tuples(st.integers(2, 4), st.integers(1, 6)),
    elements=st.floats(0, 2.0**99, width=32),
)


@given(spectra, st.floats(0.5, 4))
def test_masks_are_shares(S: np.ndarray, exponent: float) -> None:
    before = S.copy()
    masks = ratio_mask(S, exponent)
    np.testing.assert_array_equal(S, before)
    assert masks.dtype == np.float32
    assert ((masks >= 0) & (masks <= 1)).all()
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)


def test_mask_of_exponent_two_is_the_wiener_filter_at_any_scale() -> None:
    S = np.array([[1.0, 3.0], [2.0, 1.0]])
    expected = S**2 / (S**2).sum(axis=0)
    for scale in (1e-25, 1.0, 1e25):
        np.testing.assert_allclose(ratio_mask((S * scale).astype(np.float32), 2), expected, rtol=1e-5)


def test_exponential_integral_agrees_with_scipy() -> None:
    x = np.logspace(-9, 1.9, 500)
    np.testing.assert_allclose(exponential_integral(x.astype(np.float32)), exp1(x), rtol=1.5e-4)


def test_log_mmse_gain_agrees_with_its_formula_and_stays_within_one() -> None:
    xi, gamma = np.meshgrid(np.logspace(-3, 4, 40), np.logspace(-6, 4, 40))
    v = gamma * xi / (1 + xi)
    expected = np.minimum(1, xi / (1 + xi) * np.exp(exp1(v) / 2))
    gain = log_mmse_gain(xi.astype(np.float32), gamma.astype(np.float32))
    np.testing.assert_allclose(gain, expected, rtol=1e-3)
    assert gain.max() <= 1


def test_floor() -> None:
    assert floor_from_db(20) == 0.1
    assert floor_from_db(0) == 1
