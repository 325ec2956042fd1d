"""The command line: one file a command; nothing numeric, and nothing heavy imported before it is needed.

A command is a module with two functions (see `nmf_audio.cli.main.Command`):

``add_parser(subparsers)``
    adds its parser to what ``ArgumentParser.add_subparsers()`` returned, with `common.add_verbosity`;
``run(args) -> int``
    does the work and returns the exit code. Errors that names and options show are collected and raised
    together as `common.UsageError` (exit 2) before anything is written; an `NmfAudioError` or `OSError`
    that leaves ``run`` ends the command with one sentence and exit 1; Ctrl-C ends it with 130.

Modules of commands import the standard library and `common` at their top, all else inside ``run``:
``--help`` and ``--version`` load no numpy.
"""
