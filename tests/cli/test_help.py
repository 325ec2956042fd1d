"""``--help`` is the manual: each option is explained, stands with its kind, and names its default."""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from nmf_audio import BlindSeparator, Denoiser, LiveDenoiser, PercussiveSeparator, Separator
from nmf_audio.cli import denoise
from nmf_audio.cli.completion import PrintCompletion
from nmf_audio.cli.main import build_parser
from nmf_audio.training.denoiser import DenoiserSettings, DenoiserTraining, train_denoiser
from nmf_audio.training.gated_memory import MemorySizes


def walk(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from walk(subparser)


PARSERS = {parser.prog: parser for parser in (denoise.build_parser(), *walk(build_parser()))}


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return what a parser takes, but ``--help`` and subcommands."""
    passed_over = argparse._HelpAction, argparse._SubParsersAction
    return [action for action in parser._actions if not isinstance(action, passed_over)]


def shown(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the help of an argument as the person sees it."""
    formatter = argparse.HelpFormatter(parser.prog)
    return formatter._expand_help(action)


def default_of(function: Any, name: str) -> Any:
    return inspect.signature(function).parameters[name].default


@pytest.mark.parametrize("command", PARSERS)
def test_every_argument_is_explained_and_stands_with_its_kind(command: str) -> None:
    parser = PARSERS[command]
    manual = " ".join(parser.format_help().split())
    for action in arguments(parser):
        text = shown(parser, action)
        assert len(text) > 5, action
        assert text in manual
        titles = [group.title for group in parser._action_groups if action in group._group_actions]
        if not set(action.option_strings) & {"--version", "--print-completion"}:
            assert titles != ["options"], f"{action} belongs to a group of its own kind"


@pytest.mark.parametrize("command", PARSERS)
def test_every_option_with_a_value_names_its_default(command: str) -> None:
    for action in arguments(PARSERS[command]):
        if not action.option_strings or action.nargs == 0 or action.required:
            continue
        if isinstance(action, PrintCompletion):
            continue
        text = shown(PARSERS[command], action)
        assert "(default: " in text, action
        if action.default is not None:
            value = f"{action.default:g}" if isinstance(action.default, float) else str(action.default)
            assert f"(default: {value}" in text, action


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *(
            (command, f"--{option}", getattr(Denoiser(), name))
            for command in ("denoise", "nmf-audio denoise", "nmf-audio live")
            for option, name in (("reduction", "reduction_db"), ("mix", "mix"))
        ),
        ("denoise", "--channels", default_of(Denoiser, "channels")),
        ("nmf-audio separate", "--continuity", default_of(PercussiveSeparator, "continuity")),
        ("nmf-audio separate", "--group-sparsity", default_of(BlindSeparator, "group_sparsity")),
        ("nmf-audio separate", "--mask-power", PercussiveSeparator().mask_power),
        ("nmf-audio separate", "--seed", default_of(Separator, "seed")),
        ("nmf-audio live", "--latency", default_of(LiveDenoiser, "latency_ms")),
        ("nmf-audio live", "--input-channels", default_of(LiveDenoiser, "n_channels")),
        ("nmf-audio train denoiser", "--steps", DenoiserTraining.default_steps),
        ("nmf-audio train denoiser", "--speech-atoms", DenoiserSettings().n_speech),
        ("nmf-audio train denoiser", "--noise-atoms", DenoiserSettings().n_noise),
        ("nmf-audio train denoiser", "--layers", DenoiserSettings().n_layers),
        ("nmf-audio train denoiser", "--local-units", MemorySizes().n_local),
        ("nmf-audio train denoiser", "--global-units", MemorySizes().n_global),
        ("nmf-audio train denoiser", "--second-units", MemorySizes().n_second),
        ("nmf-audio train denoiser", "--seed", DenoiserSettings().seed),
        ("nmf-audio train denoiser", "--jobs", default_of(train_denoiser, "n_jobs")),
    ],
)
def test_the_default_is_that_of_the_function(command: str, option: str, value: Any) -> None:
    parser = PARSERS[command]
    (action,) = (action for action in parser._actions if option in action.option_strings)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    assert f"(default: {text}" in shown(parser, action)


@pytest.mark.parametrize(
    "option", ["--list-formats", "--show-preset", "--version", "--print-completion=bash"]
)
def test_what_is_printed_may_be_read_in_part(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "nmf_audio.cli.denoise", option],
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
