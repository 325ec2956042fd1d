"""Entry points of the installed commands."""

import signal
from importlib import import_module


def denoise() -> int:
    """Run ``denoise``, and return the exit code."""
    return _start("nmf_audio.cli.denoise")


def nmf_audio() -> int:
    """Run ``nmf-audio``, and return the exit code."""
    return _start("nmf_audio.cli.main")


def _start(module: str) -> int:
    # until the command itself takes it, Ctrl-C ends the process, and no import with a traceback
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code: int = import_module(module).main()
    return code
