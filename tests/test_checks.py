"""Arguments are refused by one checker, in one wording, with what a program needs to word it otherwise."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import nmf_audio
from nmf_audio._checks import (
    check_array,
    check_choice,
    check_flag,
    check_number,
    check_rng,
    check_whole,
    conflict,
    invalid,
    out_of_order,
)
from nmf_audio.errors import ParameterError
from nmf_audio.nmf import (
    NMF,
    Penalty,
    cluster,
    factorize,
    factorize_penalised,
    factorize_symmetric,
    factorize_tensor,
    initialize,
    k_means,
)


@pytest.mark.parametrize("one", [1, np.int8(1), np.uint64(1), np.array(1)], ids=repr)
def test_whole_numbers_of_any_kind_are_numbers(one: Any) -> None:
    found = (check_whole("n", one, 1), check_number("n", one), check_choice("n", one, (0, 1)))
    assert found == (1, 1.0, 1)
    assert [type(value) for value in found] == [int, float, int]


@pytest.mark.parametrize(
    "half", [0.5, np.float16(0.5), np.float32(0.5), np.array(0.5), Fraction(1, 2)], ids=repr
)
def test_floats_of_any_kind_are_numbers(half: Any) -> None:
    assert check_number("mix", half, 0, 1) == 0.5
    with pytest.raises(ParameterError, match="n="):
        check_whole("n", half, 0)


@pytest.mark.parametrize(
    "value",
    [True, np.True_, "1", None, [1], np.ones(1), 1j, float("nan"), np.float32("nan"), float("inf"), 10**400],
    ids=repr,
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match="must be a finite number") as caught:
        check_number("beta", value)
    assert caught.value.name == "beta"
    if not isinstance(value, int) or value < 2:
        with pytest.raises(ParameterError, match="must be a whole number of at least 0 Hz; convert"):
            check_whole("sr", value, 0, unit="Hz", advice="convert it")


def test_an_error_says_what_was_given_and_what_is_allowed() -> None:
    with pytest.raises(ParameterError) as caught:
        check_number("mix", np.float32(1.5), 0, 1, advice="1 is the default")
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == "mix=1.5; must be a number from 0 to 1; 1 is the default"
    assert (error.name, error.value) == ("mix", 1.5)
    assert (error.allowed, error.advice) == ("a number from 0 to 1", "1 is the default")


@pytest.mark.parametrize(
    ("low", "high", "above", "message"),
    [
        (0, np.inf, False, "a number of at least 0 s"),
        (0, np.inf, True, "a number above 0 s"),
        (0, 2.5, True, "a number above 0 and at most 2.5 s"),
        (-np.inf, 3, False, "a number of at most 3 s"),
    ],
)
def test_ranges_are_worded_alike(low: float, high: float, above: bool, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_number("x", low if above else "x", low, high, above=above, unit="s")
    assert caught.value.allowed == message


def test_arguments_that_do_not_go_together_are_both_named() -> None:
    error = conflict({"places": True, "group_sparsity": np.float64(0.1)})
    assert str(error) == "places=True and group_sparsity=0.1 do not go together; leave one of them out"
    assert (error.name, error.value) == (None, {"places": True, "group_sparsity": 0.1})
    assert str(out_of_order("the signal has begun", "call reset()")) == "the signal has begun; call reset()"
    assert (
        str(invalid("y", (3, 2), "of one channel", given="y has two")) == "y has two; must be of one channel"
    )
    assert str(invalid("x", "a" * 9999, "a number")) == f"x='{'a' * 299}...; must be a number"


@pytest.mark.parametrize(
    ("value", "message", "found"),
    [
        (np.ones(3), "W has shape (3,); must be of shape (2, n_components) with n_components >= 1", (3,)),
        (
            np.ones((2, 0)),
            "W has shape (2, 0); must be of shape (2, n_components) with n_components >= 1",
            (2, 0),
        ),
        ([[1, 2], [3, np.nan]], "W[1, 1]=nan; must be finite and >= 0", None),
        ([[1, 2], [-1, 2]], "W[1, 0]=-1; must be finite and >= 0", -1),
        ([[1j], [1]], "W is of type complex128; must be an array of real numbers", "complex128"),
        (np.array([[1, "a"]], object), "W is of type object; must be an array of real numbers", "object"),
        (
            np.ma.masked_greater([[1.0, 2.0]], 1),
            "W; must be an array without masked entries; give .filled(0)",
            "masked",
        ),
        ([[1, 2], [3]], "W is of type list; must be an array of real numbers", "list"),
        (None, "W is of type NoneType; must be an array of real numbers", "NoneType"),
    ],
)
def test_arrays_are_refused_by_type_shape_or_entry(value: Any, message: str, found: object) -> None:
    with pytest.raises(ParameterError) as caught:
        check_array("W", value, (2, "n_components"))
    assert str(caught.value) == message
    assert caught.value.name == "W"
    assert found is None or caught.value.value == found


def test_choices_are_listed() -> None:
    checks: list[tuple[Callable[[], object], str]] = [
        (lambda: check_choice("beta", 0.5, (0, 1, 2)), "beta=0.5; must be 0, 1 or 2"),
        (lambda: check_choice("beta", True, (0, 1, 2)), "beta=True; must be 0, 1 or 2"),
        (lambda: check_choice("norm", ["l2"], (None, "l2")), r"norm=['l2']; must be None or 'l2'"),
    ]
    for check, message in checks:
        with pytest.raises(ParameterError) as caught:
            check()
        assert str(caught.value) == message
    assert check_choice("beta", 1.0, (0, 1, 2)) == 1
    assert check_choice("norm", None, (None, "l2")) is None


@pytest.mark.parametrize("value", ["no", "", 1, 0, None, [True]], ids=repr)
def test_only_true_and_false_are_flags(value: Any) -> None:
    assert check_flag("force", np.True_) is True
    assert check_flag("force", False) is False
    with pytest.raises(ParameterError, match=r"^force=.*; must be True or False$"):
        check_flag("force", value)


def test_a_text_in_place_of_a_flag_replaces_nothing(tmp_path: Path) -> None:
    for name in ("a.wav", "out.wav"):
        soundfile.write(tmp_path / name, np.zeros(1000), 16000)
    before = (tmp_path / "out.wav").read_bytes()
    paths, separator = (tmp_path / "a.wav", tmp_path / "out.wav"), nmf_audio.PercussiveSeparator()
    y = np.zeros(100, np.float32)
    calls: dict[str, Callable[[Any], object]] = {
        "force": lambda flag: nmf_audio.denoise_file(*paths, force=flag),
        "skip_existing": lambda flag: nmf_audio.denoise_files([paths], skip_existing=flag),
        "residual": lambda flag: nmf_audio.separate_file(paths[0], separator=separator, residual=flag),
        "keep_noise": lambda flag: nmf_audio.denoise(y, 16000, keep_noise=flag),
        "places": lambda flag: nmf_audio.BlindSeparator(2, places=flag),
    }
    for name, call in calls.items():
        with pytest.raises(ParameterError, match=rf"^{name}='no'; must be True or False$"):
            call("no")
    with pytest.raises(ParameterError, match=r"^force='no'"):
        nmf_audio.denoise_files([paths], force="no")
    assert (tmp_path / "out.wav").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


WRONG: Any = 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nmf_audio.train_plain(WRONG, source="speech"),
            "corpus is of type int; must be a Corpus; find_",
        ),
        (
            lambda: nmf_audio.read_recordings(WRONG, WRONG),
            "speech is of type int; must be a Corpus; find_recordings",
        ),
        (lambda: nmf_audio.read_sources({"a": WRONG}), r"sources\['a'\] is of type int; must be a Corpus"),
        (lambda: nmf_audio.read_sources(WRONG), "sources is of type int; must be a Mapping"),
        (
            lambda: nmf_audio.train_denoiser(WRONG, nmf_audio.DenoiserSettings()),
            "recordings is of type int; must be a Recordings; read_recordings",
        ),
        (
            lambda: nmf_audio.train_separator(WRONG, nmf_audio.SeparatorSettings()),
            "clips is of type int; must be a SourceClips; read_sources",
        ),
        (lambda: nmf_audio.DenoiserSettings(weights=WRONG), "weights is of type int; must be a Weights"),
        (lambda: nmf_audio.DenoiserSettings(seed=-1), "seed=-1; must be a whole number of at least 0"),
        (
            lambda: nmf_audio.explain(np.zeros(99), 16000, WRONG),
            "denoiser is of type int; must be a Denoiser",
        ),
        (
            lambda: nmf_audio.separate_takes(WRONG, 16000, nmf_audio.BlindSeparator(2)),
            "ys is of type int; must be a Sequence",
        ),
    ],
)
def test_objects_of_another_kind_are_refused_in_a_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=f"^{message}"):
        call()


@pytest.mark.parametrize("rng", [-1, 1.5, "7", True, np.array([0.5])], ids=repr)
def test_what_is_no_source_of_random_numbers_is_refused(rng: Any) -> None:
    with pytest.raises(
        ParameterError, match=r"must be a whole number of at least 0, a numpy Generator or None$"
    ):
        check_rng(rng)


def test_a_generator_is_drawn_from_and_a_seed_gives_the_same_numbers() -> None:
    generator = np.random.default_rng(7)
    assert check_rng(generator) is generator
    assert check_rng(7).random() == check_rng(np.int64(7)).random() == generator.random()
    assert check_rng(None).random() != check_rng(None).random()


@pytest.mark.parametrize(
    "call",
    [
        lambda **rng: NMF(2, **rng).fit(np.ones((4, 6))),
        lambda **rng: cluster(np.ones((3, 3)), 2, **rng),
        lambda **rng: factorize(np.ones((4, 6)), W=np.ones((4, 2)), **rng),
        lambda **rng: factorize_penalised(np.ones((4, 6)), 2, penalty=Penalty(), **rng),
        lambda **rng: factorize_symmetric(np.ones((3, 3)), G=np.ones((3, 2)), n_clusters=2, **rng),
        lambda **rng: factorize_tensor(np.ones((2, 4, 6)), 2, **rng),
        lambda **rng: initialize(np.ones((4, 6)), 2, **rng),
        lambda **rng: k_means(np.ones((3, 2)), 2, **rng),
        lambda **rng: nmf_audio.read_sources({}, **rng),
    ],
)
def test_public_functions_refuse_it_by_the_same_words(call: Callable[..., object]) -> None:
    with pytest.raises(
        ParameterError, match=r"^rng=-1; must be a whole number of at least 0, a numpy Generator or None$"
    ):
        call(rng=-1)


PACKAGE = Path(nmf_audio.__file__).parent
TREES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def test_only_the_checker_words_refused_arguments() -> None:
    for module, tree in TREES.items():
        calls = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "ParameterError"
        ]
        assert module == "_checks.py" or not calls, f"{module}, {calls}: raise what nmf_audio._checks makes"


def test_messages_of_the_library_name_no_option_and_those_of_the_command_no_argument() -> None:
    python = re.compile(r"\b(force|format|sr|raw|beta|noise|n_\w+)=(?![%{])")
    option = re.compile(r"(?<![\w-])--[a-z]{2}")
    for module, tree in TREES.items():
        wrong = python if (PACKAGE / module).parent.name == "cli" else option
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        found = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and wrong.search(node.value)
        ]
        assert not found, module
