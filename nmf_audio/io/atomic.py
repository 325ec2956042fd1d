"""Files that are written whole or not at all, and never over what must stay."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nmf_audio.errors import AudioFileError, DictionaryError
from nmf_audio.io.interrupts import deferring_interrupts
from nmf_audio.io.temporary import TemporaryFile, remove_leftovers_beside

__all__ = ["check_target", "replace_front", "replacing", "replacing_all", "saving"]

_BLOCK = 2**20
_MODE, _OWN_MODE = 0o666, 0o600


def check_target(
    target: str | os.PathLike[str], *, sources: Iterable[str | os.PathLike[str]] = (), force: bool = False
) -> None:
    """Check that a file may be written, as far as names show, without touching anything.

    `sources` are files that are read: the target must be none of them, through whatever link. `AudioFileError`
    if it is one, a folder, a device or another special file, exists without `force`, or its folder is missing
    or can't be written to.
    """
    target = Path(target)
    try:
        real = Path(os.path.realpath(target))
        if not real.parent.is_dir() and target.is_symlink():
            raise AudioFileError(
                f"{target}: is a link to {os.readlink(target)}, whose folder is missing; make it first"  # noqa: PTH115
            )
        if not real.parent.is_dir():
            raise AudioFileError(f"{target}: there is no folder {target.parent}; make it first")
        try:
            mode = real.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None:
            for source in map(Path, sources):
                # one whose name the system does not take is no error of the target
                if os.path.exists(source) and source.samefile(real):  # noqa: PTH110
                    raise AudioFileError(f"{target}: is the input {source} itself; name another output")
            if stat.S_ISDIR(mode):
                raise AudioFileError(f"{target}: is a folder; name a file in it")
            if not stat.S_ISREG(mode):
                raise AudioFileError(f"{target}: is not a regular file; it is not touched")
            if not force:
                raise AudioFileError(
                    f"{target}: exists", argument="force", value=True, purpose=" to replace it"
                )
        if not os.access(real.parent, os.W_OK | os.X_OK):
            raise AudioFileError(
                f"{target}: can't be written: no permission to write to the folder {target.parent}"
            )
    except OSError as error:
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(f"{target}: can't be written: {error.strerror}") from error


@contextmanager
def replacing(
    target: str | os.PathLike[str],
    *,
    force: bool = False,
    sources: Iterable[str | os.PathLike[str] | int] = (),
) -> Iterator[Path]:
    """Give a temporary file beside the target, and move it into place at the end, or remove it on any error.

    The target is there whole or not at all. A link is followed: the file it leads to is replaced, the link
    stays. What is yielded is an empty file in the target's folder. Nobody may read or write the target who may
    not do so with each of `sources`, paths or open files that its content comes from, and with the file that it
    replaces; the umask holds, too. `AudioFileError` if the target may not be written (see `check_target`), or
    appeared in the meantime and `force` is not given.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    with replacing_all([target], force=force, sources=sources) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(
    targets: Sequence[str | os.PathLike[str]],
    *,
    force: bool = False,
    sources: Iterable[str | os.PathLike[str] | int] = (),
    dropped: Container[Path] = (),
) -> Iterator[tuple[Path, ...]]:
    """Do for several files what `replacing` does for one: all of them are there in the end, or none.

    Temporary files that are among the `dropped` ones at the end are removed, and not put in place.
    If one can't be put in its place, those that were are taken back, and what they replaced is there again.
    """
    remove_leftovers_beside(targets)
    for target in targets:
        check_target(target, force=force)
    reals = [Path(os.path.realpath(target)) for target in targets]
    sources = list(sources)
    modes = [_narrowest_mode([*sources, real]) for real in reals]
    word = secrets.token_hex(8)
    files: list[TemporaryFile] = []
    with ExitStack() as stack:
        with deferring_interrupts():
            for target, real, mode in zip(targets, reals, modes, strict=True):
                with _naming(target):
                    # its owner may write it until it is done
                    files.append(TemporaryFile(real, word, mode | _OWN_MODE))
                stack.callback(files[-1].remove)
        yield tuple(file.path for file in files)
        kept = [part for part in zip(targets, files, modes, strict=True) if part[1].path not in dropped]
        for target, file, mode in kept:
            with _naming(target):
                file.sync(mode)
        with deferring_interrupts():
            _place([part[0] for part in kept], [part[1] for part in kept], force=force)


def _place(targets: Sequence[str | os.PathLike[str]], files: Sequence[TemporaryFile], *, force: bool) -> None:
    try:
        # the first, which stands for all, comes last
        for target, file in reversed(list(zip(targets, files, strict=True))):
            with _naming(target):
                file.place(force=force, is_last=file is files[0])
    except BaseException:
        for file in files:
            file.take_back()
        raise


@contextmanager
def _naming(target: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of the system into those of a target."""
    try:
        yield
    except FileExistsError as error:
        raise AudioFileError(f"{target}: appeared while it was being written; it is kept") from error
    except OSError as error:
        raise AudioFileError(f"{target}: can't be written: {error.strerror}") from error


@contextmanager
def saving(target: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Do for a dictionary, or what belongs to one, what `replacing` does; one that exists is replaced.

    `what` is its name in messages, such as ``'the card'``. `DictionaryError` if it can't be written.
    """
    try:
        with replacing(target, force=True) as temporary:
            yield temporary
    except OSError as error:
        reason = error.strerror or str(error).removeprefix(f"{target}: ").removeprefix("can't be written: ")
        raise DictionaryError(f"{target}: {what} can't be written: {reason}") from error


def _narrowest_mode(files: Iterable[str | os.PathLike[str] | int]) -> int:
    """Return the permissions that all files grant, as far as they are there and regular."""
    mode = _MODE
    for file in files:
        # what can't be looked at gave nothing to the output
        with suppress(OSError):
            status = os.stat(file)  # noqa: PTH116  # an open file is a number
            mode &= status.st_mode if stat.S_ISREG(status.st_mode) else _MODE
    return mode


def replace_front(path: Path, n_old: int, front: bytes) -> None:
    """Put other bytes in the place of the first `n_old` of a file, which grows or shrinks.

    This is for files that are not in their place yet: an interrupt leaves it halfway.
    """
    with path.open("r+b") as file:
        n_all = file.seek(0, os.SEEK_END)
        shift = len(front) - n_old
        starts = range(n_old, n_all, _BLOCK)
        # away from where the last block goes
        for start in reversed(starts) if shift > 0 else starts:
            file.seek(start)
            block = file.read(_BLOCK)
            file.seek(start + shift)
            file.write(block)
        file.seek(0)
        file.write(front)
        file.truncate(n_all + shift)
