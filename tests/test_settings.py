"""Settings are checked whenever they are set, or can't be changed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nmf_audio
from nmf_audio import (
    BlindSeparator,
    Denoiser,
    DictionaryError,
    ExampleSeparator,
    LiveDenoiser,
    ParameterError,
    PercussiveSeparator,
    Restorer,
    Separator,
)
from nmf_audio._attributes import Checked, Constant
from tests.tiny import tiny_dictionary

MAKE: dict[str, Callable[[], Any]] = {
    "Denoiser": lambda: Denoiser(tiny_dictionary()),
    "Stream": lambda: Denoiser(tiny_dictionary()).stream(16000, 2),
    "Separator": lambda: Separator(tiny_dictionary()),
    "SeparationStream": lambda: Separator(tiny_dictionary()).stream(16000),
    "BlindSeparator": lambda: BlindSeparator(2),
    "ExampleSeparator": lambda: ExampleSeparator(0, 1),
    "PercussiveSeparator": PercussiveSeparator,
    "Restorer": Restorer,
    "RestorationStream": lambda: Restorer().learn([], 16000),
}


@pytest.mark.parametrize(
    ("name", "setting", "good", "bad"),
    [
        ("Denoiser", "reduction_db", np.float32(12), -50),
        ("Denoiser", "mix", 0.5, 7),
        ("Denoiser", "channels", "independent", "both"),
        ("Denoiser", "method", "adaptive", "magic"),
        ("Separator", "mask_power", 1, 0),
        ("Separator", "seed", np.int64(3), -1),
        ("BlindSeparator", "mask_power", 1, "2"),
        ("BlindSeparator", "seed", 7, 1.5),
        ("ExampleSeparator", "n_example", 4, 0),
        ("ExampleSeparator", "n_rest", 4, 4.5),
        ("PercussiveSeparator", "continuity", 10, float("nan")),
        ("Restorer", "clip_level", 0.5, -1),
        ("Restorer", "gaps", ((0.5, 0.55),), [(1, 2)]),
    ],
)
def test_a_setting_is_checked_whenever_it_is_set(name: str, setting: str, good: Any, bad: Any) -> None:
    made = MAKE[name]()
    setattr(made, setting, good)
    for one in (made, pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        with pytest.raises(ParameterError, match=f"^{setting}="):
            setattr(one, setting, bad)
        assert getattr(one, setting) == good


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("Denoiser", ("dictionary",)),
        ("Stream", ("sr", "n_channels", "latency")),
        ("Separator", ("sources", "dictionaries", "beta", "n_free", "free_source", "n_passes", "parameters")),
        ("SeparationStream", ("sources", "sr", "n_channels", "latency")),
        ("BlindSeparator", ("sources", "n_components", "group_sparsity", "places", "beta")),
        ("ExampleSeparator", ("sources", "start", "end", "origin", "beta")),
        ("PercussiveSeparator", ("sources", "beta")),
        ("RestorationStream", ("sr", "n_channels", "latency", "channels")),
    ],
)
def test_what_the_rest_depends_on_can_not_be_changed(name: str, attributes: tuple[str, ...]) -> None:
    made = MAKE[name]()
    for attribute in attributes:
        before = getattr(made, attribute)
        with pytest.raises(AttributeError):
            setattr(made, attribute, before)
        assert getattr(made, attribute) is before or getattr(made, attribute) == before


def test_a_method_must_fit_the_dictionary() -> None:
    denoiser = Denoiser("trained")
    for method in ("classic", "adaptive"):
        with pytest.raises(DictionaryError, match=f"method '{method}' needs a dictionary of kind 'plain'"):
            denoiser.method = method
    assert denoiser.method == "trained"
    with pytest.raises(ParameterError, match="mask_power=2; must be left out beside 'trained'"):
        Separator("trained").mask_power = 2


def test_no_public_class_has_an_attribute_that_anybody_may_set_to_anything() -> None:
    classes = [getattr(nmf_audio, name) for name in nmf_audio.__all__]
    ours = [one for one in classes if isinstance(one, type) and not issubclass(one, Exception)]
    frozen = [one for one in ours if getattr(vars(one).get("__dataclass_params__"), "frozen", False)]
    # NMF keeps its arguments, and checks them when it learns
    left = {one.__name__ for one in ours if one not in frozen} - {"NMF"}
    assert left == {*MAKE, "LiveDenoiser"}
    for name, make in MAKE.items():
        made, kind = make(), type(make())
        names = [attribute for attribute in vars(made) if not attribute.startswith("_")]
        described = [isinstance(getattr(kind, attribute, None), Checked | Constant) for attribute in names]
        assert all(described), (name, names)
    for name in ("input", "output", "sr", "n_channels", "block_size"):
        assert isinstance(vars(LiveDenoiser)[name], Constant)
