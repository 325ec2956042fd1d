"""The work on one recording as an object: it can be sent elsewhere, and reports whatever becomes of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from nmf_audio._types import Progress
from nmf_audio.defaults import RESIDUAL
from nmf_audio.io.pipe_reader import get_report_path
from nmf_audio.io.remote import exists
from nmf_audio.io.temporary import remove_leftovers, remove_leftovers_beside
from nmf_audio.jobs.denoise_file import denoise_file
from nmf_audio.jobs.processes import ProcessEndedError
from nmf_audio.jobs.report import Report, RestorationReport, SeparationReport

__all__ = ["FileWork", "work_on"]

AnyReport = TypeVar("AnyReport", Report, SeparationReport, RestorationReport)


@dataclass(frozen=True)
class FileWork(Generic[AnyReport]):
    """Processes one recording and reports whatever becomes of it.

    `process` is `denoise_file` or `separate_file`, `report` the type of what it returns, `dst` an output or the
    mapping of all of them. With `skip_existing` a recording whose outputs exist is left alone; a `refusal` is
    why it can't be processed, if that is known.
    """

    process: Callable[..., AnyReport]
    report: type[AnyReport]
    src: Path | BinaryIO
    dst: Path | BinaryIO | dict[str, Path]
    options: dict[str, Any]
    skip_existing: bool = False
    refusal: Exception | None = None

    def __call__(self, progress: Progress) -> AnyReport:
        """Do it."""
        settled = self.settle()
        if settled is not None:
            return settled
        try:
            return self.process(self.src, self.dst, progress=progress, **self.options)
        except Exception as error:
            # one bad file must not cost the night's batch; what appeared meanwhile is of a process that ended late
            return (self.settle() if self.skip_existing else None) or self.failed(error)

    def settle(self) -> AnyReport | None:
        """Return the report if there is nothing to do: it is skipped, or known not to be possible."""
        if self.skip_existing:
            remove_leftovers_beside(path for path in self._needed() if isinstance(path, Path))
        if self.skip_existing and all(map(exists, self._needed())):
            return self._make_report("skipped")
        return None if self.refusal is None else self.failed(self.refusal)

    def failed(self, error: Exception) -> AnyReport:
        """Return the report of a recording that could not be processed."""
        if isinstance(error, ProcessEndedError):
            for folder in {path.parent for path in self._needed() if isinstance(path, Path)}:
                remove_leftovers(folder)
        _forget_locals(error)
        return self._make_report("failed", error=error)

    @property
    def targets(self) -> list[Path]:
        """All that it may write."""
        if isinstance(self.dst, dict):
            return list(self.dst.values())
        rest = self.options.get("keep_noise")
        return [get_report_path(target) for target in (self.dst, rest) if target is not None]

    def _needed(self) -> list[Path]:
        """What is there when it is done."""
        if not isinstance(self.dst, dict):
            return [get_report_path(self.dst)]
        # a residual with next to nothing in it was not written
        return [path for name, path in self.dst.items() if name != RESIDUAL]

    def _make_report(self, status: str, **fields: Any) -> AnyReport:
        dst = self.dst if isinstance(self.dst, dict) else get_report_path(self.dst)
        make: Callable[..., AnyReport] = self.report
        return make(get_report_path(self.src), dst, status, **fields)


def _forget_locals(error: BaseException | None) -> None:
    """Let go of what functions held when they failed: their traceback is kept as long as the report."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def work_on(
    src: Path | BinaryIO, dst: Path | BinaryIO, *, skip_existing: bool = False, **options: Any
) -> FileWork[Report]:
    """Return what denoises one recording, for `run_files`; `options` are those of `denoise_file`."""
    return FileWork(denoise_file, Report, src, dst, options, skip_existing)
