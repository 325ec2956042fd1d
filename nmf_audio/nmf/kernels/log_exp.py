"""Natural logarithm and exponential of float32 for inner loops: the compiler runs them eight or sixteen at a time.

`numpy.log` and `numpy.exp` inside a kernel are calls of the C library, one number after the other. These are a few
products and shifts of bits, so the loop around them is vectorised. What `nmf_audio.training` needs of time, it needs
here.

numba's cache on disk does not see that this file changed: after a change here delete the caches of its callers.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic

from nmf_audio.nmf.kernels._jit import jit

_intrinsic: Any = intrinsic
_uncompiled = bool(getattr(config, "DISABLE_JIT", False))

ONE = np.float32(1)


@_intrinsic
def _bits(_: Any, x: Any) -> Any:
    """Return the bits of a float32 as an int32."""
    return types.int32(types.float32), lambda _c, builder, _s, a: builder.bitcast(a[0], ir.IntType(32))


@_intrinsic
def _from_bits(_: Any, x: Any) -> Any:
    """Return the float32 with the bits of an int32."""
    return types.float32(types.int32), lambda _c, builder, _s, a: builder.bitcast(a[0], ir.FloatType())


def _cephes_log(x: Any) -> Any:
    """Return log(x) for positive normal x to 1.5e-7 (Cephes' logf): loops over it run eight at a time."""
    bits = _bits(x)
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
    z = _from_bits(np.int32(bits - np.int32(exponent << np.int32(23)))) - ONE
    y = np.float32(7.0376836292e-2)
    y = y * z + np.float32(-1.1514610310e-1)
    y = y * z + np.float32(1.1676998740e-1)
    y = y * z + np.float32(-1.2420140846e-1)
    y = y * z + np.float32(1.4249322787e-1)
    y = y * z + np.float32(-1.6668057665e-1)
    y = y * z + np.float32(2.0000714765e-1)
    y = y * z + np.float32(-2.4999993993e-1)
    y = y * z + np.float32(3.3333331174e-1)
    y = y * z * z * z - np.float32(0.5) * z * z + z
    return y + np.float32(exponent) * np.float32(0.6931471805599453)


def _cephes_exp(x: Any) -> Any:
    """Return exp(x), x clipped to [-87, 87], to 1.5e-7 (Cephes' expf)."""
    x = min(max(x, np.float32(-87)), np.float32(87))
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + ONE
    return y * _from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


# Without the compiler (a check of coverage) there are no bit casts, and speed does not matter.
log: Any = np.log if _uncompiled else jit(_cephes_log)
exp: Any = np.exp if _uncompiled else jit(_cephes_exp)
