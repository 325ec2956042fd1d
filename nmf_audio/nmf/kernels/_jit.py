"""The decorator that compiles kernels."""

import functools
import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    # of a file of settings in the current folder: it is not taken, see below
    warnings.simplefilter("ignore", UserWarning)
    from numba import njit
    from numba.core import config
    from numba.core import event as events

# such a file may say where compiled code is loaded from, and the current folder may be a stranger's
_config: Any = config
_config._config_fname = os.devnull
_config.reload_config()

# Reordering and contraction are allowed, but NaN and Inf stay what they are: an error in the data must show.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


@functools.cache
def _log_once() -> None:
    logging.getLogger("nmf_audio").info("compiling loops, which takes some seconds")


class _Listener(events.Listener):
    """Logs when a kernel is compiled, rather than loaded from the disk."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("nmf_audio."):
            _log_once()

    def on_end(self, event: Any) -> None:
        pass


_register: Any = events.register
_register("numba:compile", _Listener())


@functools.cache
def _warn_once(reason: str) -> None:
    warnings.warn(
        f"compiled kernels can't be kept on disk ({reason}): every start compiles them again, which takes "
        "some seconds. Set NUMBA_CACHE_DIR to a folder that can be written.",
        RuntimeWarning,
        stacklevel=3,
    )


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call, to run without the GIL, and keep the result on disk if possible.

    It loops over arrays, and takes `numpy.dot` with `out`. It should call kernels of its own file only: the
    cache on disk is renewed when the file of a kernel changes, and looks at no other. Without a folder for the
    cache there is one `RuntimeWarning` a process. With ``NUMBA_DISABLE_JIT=1`` the function itself is returned.
    """
    # inlined, a kernel that others call is the same code in each of them, whether it was compiled or loaded: a call
    # would go to the first copy in the process, and copies round differently
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": FAST_MATH,
        "forceinline": True,
    }
    try:
        compiled: Callable[..., Any] = njit(cache=True, **options)(function)
    except RuntimeError as error:  # what numba raises when none of its places for a cache can be written
        if "cannot cache" not in str(error):
            raise
        _warn_once("no folder for them can be written")
        compiled = njit(**options)(function)
    return compiled
