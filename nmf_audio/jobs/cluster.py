"""Workers of a cluster: those of a dask scheduler."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from nmf_audio._checks import invalid
from nmf_audio.errors import MissingExtraError
from nmf_audio.jobs.tasks import describe_versions

__all__ = ["connecting"]

CONNECT_SECONDS = 30


@contextmanager
def connecting(address: str) -> Iterator[Executor]:
    """Give the workers of a dask scheduler as an executor.

    A work whose worker dies is given to another, as often as the scheduler's `allowed-failures` says.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://host:8786``.

    Yields
    ------
    Executor

    Raises
    ------
    MissingExtraError
        If dask.distributed is not installed.
    ParameterError
        If there is no scheduler at the address, it has no workers, or one of them has other versions.

    Examples
    --------
    >>> from nmf_audio import denoise_files
    >>> def denoise_there(files):
    ...     with connecting("tcp://host:8786") as executor:
    ...         return list(denoise_files(files, executor=executor))
    """
    try:
        from distributed import Client
    except ImportError:
        message = "a cluster needs dask.distributed; install it with: pip install distributed"
        raise MissingExtraError(message) from None
    try:
        client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        allowed = "the address of a dask scheduler that runs"
        raise invalid("cluster", address, allowed, "such as tcp://host:8786") from error
    with _only_errors_of("distributed", "distributed.client"), client, warnings.catch_warnings():
        # it is not the graph that is large, but a recording
        warnings.filterwarnings("ignore", "Sending large graph")
        _check_workers(address, client.run(describe_versions, on_error="return"))
        yield client.get_executor(pure=False)


@contextmanager
def _only_errors_of(*names: str) -> Iterator[None]:
    """Silence what loggers say of connections that end, and of a work that is done again as its worker died."""
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _check_workers(address: str, found: dict[str, str | Exception]) -> None:
    own = describe_versions()
    if not found:
        advice = f"start some with: dask worker {address}"
        raise invalid("cluster", address, "a scheduler that has workers", advice)
    for worker, theirs in found.items():
        if theirs != own:
            given = (
                f"the worker {worker} has {theirs if isinstance(theirs, str) else f'no nmf_audio ({theirs})'}"
            )
            allowed = f"one with {own}, as it is here"
            raise invalid("cluster", address, allowed, "install the same there", given=given)
