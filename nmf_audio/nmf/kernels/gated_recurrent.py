"""A gated recurrent unit (Cho et al. 2014) along time, forward and backward, for many rows at once.

With x what the input brings to the three gates and s = z @ back what the state brings::

    u = 0.995 sigmoid(x_u + s_u);  r = sigmoid(x_r + s_r);  c = tanh(x_c + r * s_c)
    z = u * z + (1 - u) * c

All arrays are float32 and time-major: T frames, N rows, n units; the gates stand side by side in the order u, r, c.
"""

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf.kernels._jit import jit
from nmf_audio.nmf.kernels.log_exp import exp
from nmf_audio.nmf.unrolled_constants import LARGEST_KEEP

ONE = np.float32(1)
TWO = np.float32(2)
KEEP = np.float32(LARGEST_KEEP)


@jit
def forward(gates: AnyArray, candidate: AnyArray, back: AnyArray, states: AnyArray) -> None:
    """Run the unit over time.

    gates (T, N, 3 n) comes with x and goes with u, r, c; candidate (T, N, n) <- s_c; states (T + 1, N, n), the first
    of which comes as the state before the first frame.
    """
    T, N, _ = gates.shape
    n = back.shape[0]
    s = np.empty((N, 3 * n), np.float32)
    for t in range(T):
        np.dot(states[t], back, s)
        for i in range(N):
            for k in range(2 * n):
                gates[t, i, k] = ONE / (ONE + exp(-(gates[t, i, k] + s[i, k])))
            for k in range(n):
                x = s[i, 2 * n + k]
                candidate[t, i, k] = x
                y = gates[t, i, 2 * n + k] + gates[t, i, n + k] * x
                c = ONE - TWO / (ONE + exp(TWO * y))
                gates[t, i, 2 * n + k] = c
                u = KEEP * gates[t, i, k]
                gates[t, i, k] = u
                states[t + 1, i, k] = u * states[t, i, k] + (ONE - u) * c


@jit
def backward(
    gates: AnyArray, candidate: AnyArray, back: AnyArray, states: AnyArray, d_states: AnyArray
) -> None:
    """Run the gradient back through time.

    gates and candidate come as `forward` left them, and go with the gradients by x and by s_c (those by s_u, s_r are
    the same as by x_u, x_r). d_states (T, N, n) is the gradient by each frame's state, from outside the recurrence.
    """
    T, N, _ = gates.shape
    n = back.shape[0]
    d = np.zeros((N, n), np.float32)
    through = np.empty((N, n), np.float32)
    d_s = np.empty((N, 3 * n), np.float32)
    back_t = np.ascontiguousarray(back.T)
    for t in range(T - 1, -1, -1):
        for i in range(N):
            for k in range(n):
                u, r, c = gates[t, i, k], gates[t, i, n + k], gates[t, i, 2 * n + k]
                dz = d[i, k] + d_states[t, i, k]
                d_c = dz * (ONE - u) * (ONE - c * c)
                d_u = dz * (states[t, i, k] - c) * u * (ONE - u / KEEP)
                d_r = d_c * candidate[t, i, k] * r * (ONE - r)
                d[i, k] = dz * u
                gates[t, i, k] = d_u
                gates[t, i, n + k] = d_r
                gates[t, i, 2 * n + k] = d_c
                candidate[t, i, k] = d_c * r
                d_s[i, k] = d_u
                d_s[i, n + k] = d_r
                d_s[i, 2 * n + k] = d_c * r
        np.dot(d_s, back_t, through)
        for i in range(N):
            for k in range(n):
                d[i, k] += through[i, k]
