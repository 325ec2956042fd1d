"""Mutated dictionaries: each is refused in a sentence, or works like any other.

    python -m tests.stress.fuzz_dictionaries --seed 1 --minutes 5

What is changed are numbers and texts of the JSON, types, shapes and values of arrays (with the hash that fits
them, so that they are not refused for that alone), headers of arrays, and bytes and fields of the archive. A
dictionary that is taken denoises or separates a short sound, and is listed by the commands.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import re
import shutil
import struct
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import Denoiser, Dictionary, DictionaryError, FrontEndSpec, Group, NmfAudioError, Separator
from tests.stress.frame import describe, make_folder, parse_options, run_trial

Arrays = dict[str, npt.NDArray[Any]]
Change = Callable[["Parts"], None]

SPEC = FrontEndSpec(sr=8000, linear_to_hz=500.0, n_high=8)
SR = 8000


@dataclass
class Parts:
    """What a file is made of."""

    meta: dict[str, Any]
    arrays: Arrays
    members: list[tuple[str, bytes]]
    """Written in place of the arrays, if there are any."""

    compression: int = zipfile.ZIP_STORED
    is_sealed: bool = True
    """Whether the hash fits the arrays."""

    def pack(self) -> bytes:
        """Return the file."""
        meta = dict(self.meta)
        if self.is_sealed:
            meta["sha256"] = hash_arrays(self.arrays)
        members = self.members or [
            ("meta.npy", to_npy(np.array(json.dumps(meta)))),
            *((f"{name}.npy", to_npy(array)) for name, array in self.arrays.items()),
        ]
        file = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(file, "w", self.compression) as archive:
            # two of one name are a change like others
            warnings.simplefilter("ignore")
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content, self.compression)
        return file.getvalue()


def to_npy(array: npt.NDArray[Any]) -> bytes:
    """Return an array as numpy writes it."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def hash_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the hash that a dictionary of these arrays states."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Case:
    """A file, and what was changed in it."""

    kind: str
    changes: tuple[str, ...]
    content: bytes

    def __repr__(self) -> str:
        return f"{self.kind}: {'; '.join(self.changes) or 'as it is'}, {len(self.content)} bytes"


class FuzzDictionaries:
    """Mutated dictionaries."""

    name = "fuzz_dictionaries"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seeds = {kind: _take_apart(dictionary) for kind, dictionary in make_dictionaries().items()}
        self._y = (0.1 * np.random.default_rng(0).standard_normal(SR // 4)).astype(np.float32)
        for case in self.whole():
            # what is compiled is so in all processes
            self.check(case)

    def whole(self) -> list[Case]:
        return [Case(kind, (), seed.pack()) for kind, seed in self._seeds.items()]

    def make(self, rng: np.random.Generator, i: int) -> Case:
        kind = list(self._seeds)[rng.integers(len(self._seeds))]
        parts = copy.deepcopy(self._seeds[kind])
        names = []
        for _ in range(int(rng.choice((1, 2, 4), p=(0.7, 0.2, 0.1)))):
            if not parts.arrays or not parts.meta:
                break
            change = CHANGES[rng.choice(len(CHANGES), p=SHARES)]
            names.append(change(rng, parts))
        content = parts.pack()
        if rng.random() < 0.2:
            content, name = change_bytes(rng, content)
            names.append(name)
        return Case(kind, tuple(names), content)

    def check(self, case: Case) -> str:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            return self._check_in(folder, case)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def reduce(self, case: Case) -> Iterator[Case]:
        n = len(case.content)
        for size in (n // 4, n // 16, 256, 32):
            for start in range(0, n, max(size, 1)) if size else ():
                cut = case.content[:start] + case.content[start + size :]
                yield replace(case, content=cut)

    def save(self, case: Case, folder: Path) -> None:
        (folder / "dictionary.npz").write_bytes(case.content)

    def _check_in(self, folder: Path, case: Case) -> str:
        path = folder / "d" / "dictionary.npz"
        path.parent.mkdir()
        path.write_bytes(case.content)
        try:
            dictionary = Dictionary.load(path)
        except DictionaryError as error:
            if not str(error).replace("\n", "").isprintable() and "\x1b" in str(error):
                return ""
            return "a message of more than 1000 characters" if len(str(error)) > 1000 else ""
        except Exception as error:
            return f"Dictionary.load: {describe(error)}"
        for name in dictionary.sources:
            if Path(name).name != name or not name.isprintable():
                return f"a source is called {name!r}"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            problem = self._use(dictionary)
        numeric = [str(w.message) for w in caught if "encountered in" in str(w.message)]
        if numeric and not problem:
            problem = f"arithmetic warns: {numeric[0]}"
        return problem or _list(path) or _separate(dictionary, path, folder, self._y)

    def _use(self, dictionary: Dictionary) -> str:
        try:
            if dictionary.kind == "separator":
                outputs = Separator(dictionary).separate(self._y, SR)
                signals = outputs.values() if isinstance(outputs, Mapping) else outputs
                y = np.concatenate([np.ravel(part) for part in signals])
            else:
                y = Denoiser(dictionary).denoise(self._y, SR)
        except NmfAudioError:
            return ""
        except Exception as error:
            return f"{dictionary.kind}: {describe(error)}"
        return "" if np.isfinite(y).all() else f"{dictionary.kind}: what comes out is not finite"


def _list(path: Path) -> str:
    """Have the command describe a dictionary; what it prints moves no cursor."""
    from nmf_audio.cli.main import main

    for words in (["info"], ["info", "--json"], ["verify"]):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["dictionaries", *words, str(path)])
        said = out.getvalue() + err.getvalue()
        if "Traceback" in said or "internal error (" in said:
            return f"dictionaries {words[0]} prints {said.strip().splitlines()[-1]}"
        if not re.sub(r"[\n\t]", "", said).isprintable():
            return "dictionaries prints what moves the cursor"
        if code:
            return f"dictionaries {words[0]}: exit code {code} for what was loaded"
    return ""


def _separate(dictionary: Dictionary, path: Path, folder: Path, y: npt.NDArray[np.float32]) -> str:
    """Have the command separate a file with it; nothing appears outside of the folder of outputs."""
    if dictionary.kind == "trained":
        return ""
    from nmf_audio.cli.main import main

    inside = folder / "in" / "out"
    inside.mkdir(parents=True)
    soundfile.write(folder / "in" / "a.wav", y, SR)
    words = ["separate", str(folder / "in" / "a.wav"), "--sources", str(path), "--output-dir", str(inside)]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as err,
        contextlib.suppress(SystemExit),
    ):
        main([*words, "-q"])
    if "internal error (" in err.getvalue():
        return f"separate prints {err.getvalue().strip().splitlines()[-1]}"
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    outside = {p for p in there if not p.startswith(f"in{os.sep}out{os.sep}")}
    if outside != {f"in{os.sep}a.wav", f"d{os.sep}dictionary.npz"}:
        return f"files outside of the folder of outputs: {sorted(outside)}"
    return ""


def make_dictionaries() -> dict[str, Dictionary]:
    """Return small dictionaries of all kinds."""
    rng = np.random.default_rng(0)
    n_bands = SPEC.n_bands

    def positive(*shape: int) -> npt.NDArray[np.float32]:
        return (0.05 + 0.9 * rng.random(shape)).astype(np.float32)

    def atoms(n_layers: int, n: int) -> npt.NDArray[np.float32]:
        W = positive(n_layers, n_bands, n)
        return np.asarray(W / W.sum(axis=1, keepdims=True), np.float32)

    n, spectrum = 8, np.ones(n_bands, np.float32)
    trained = {
        **{"W": atoms(2, 5), "W_out": positive(n_bands, 5), "out_floor": positive(2, n_bands)},
        **{"lam": positive(2, n), "g": positive(2, n), "A": positive(n, n), "C": positive(n, n)},
        **{"C_mid": np.zeros((0, 0), np.float32), "b": positive(n), "slow_rate": np.zeros(0, np.float32)},
        **{"rate_noise": positive(1), "rate_speech": positive(1), "run_gain": positive(3, n_bands)},
        **{"residual": positive(n_bands), "p": np.full((), 1.5, np.float32)},
    }
    separator = {
        **{"W": atoms(2, 5), "W_out": positive(n_bands, 5), "out_floor": positive(2, n_bands)},
        **{"lam": positive(2, 5), "g": positive(2, 5), "A": positive(5, 10), "C": positive(5, 10)},
        **{"b": positive(5), "slow_rate": positive(5), "residual": positive(2, n_bands)},
        "p": np.ones((), np.float32),
    }
    groups = (Group("speech", "speech", 0, 3), Group("rain", "noise", 3, 5))
    meta = {
        **{"licence": "CC0", "commands": ["none"], "versions": {"numpy": "2"}, "notes": ["a note"]},
        "trained_on": [
            {"source": "speech", "origin": "x", "licence": "CC0", "recordings": 1, "seconds": 2.0}
        ],
        "held_out": [{"source": "noise", "groups": ["a"], "origins": ["x"], "recordings": 1, "seconds": 2.0}],
        "compared": [["", "PESQ"], ["this", 2.0]],
        "training": [{"source": "a", "n_frames": 9, "max_iter": 3, "seed": 0, "cost_per_frame": 1.0}],
    }
    found = {
        "plain": Dictionary("plain", SPEC, spectrum, {"W": positive(n_bands, 5)}, groups, meta=meta),
        "trained": Dictionary("trained", SPEC, spectrum, trained, groups, meta=meta),
        "separator": Dictionary("separator", SPEC, spectrum, separator, groups, meta=meta),
    }
    with contextlib.suppress(ImportError):
        from tests.tiny import memory_arrays

        both = trained | memory_arrays(n_bands, n, second=True)
        found["memory"] = Dictionary("trained", SPEC, spectrum, both, groups, meta=meta)
    return found


def _take_apart(dictionary: Dictionary) -> Parts:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        dictionary.save(path)
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files if name != "meta"}
            return Parts(json.loads(str(archive["meta"])), arrays, [])


_NAMES = (
    *(
        "x/../../evil",
        "../evil",
        "/evil",
        "a\0b",
        "\x1b[2J",
        "a\u202eb",
        "",
        ".",
        "..",
        "a" * 300,
        "con",
        "a\nb",
    ),
    *("residual", "speech", "noise", "-o", "~", "$HOME", "\u00e9", "\ud800", "a b", "\x9bX"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 2**63, 10**400, "", "1", [], {}),
    *([[]], {"a": {"b": []}}, *_NAMES),
)


def _pick(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _change_json(rng: np.random.Generator, parts: Parts) -> str:
    """Put another value somewhere, leave something out, or make it deep."""
    place: Any = parts.meta
    path: list[Any] = []
    while isinstance(place, dict | list) and len(place):
        key = _pick(rng, list(place) if isinstance(place, dict) else range(len(place)))
        path.append(key)
        inner = place[key]
        if not isinstance(inner, dict | list) or not len(inner) or rng.random() < 0.2:
            break
        place = inner
    key, kind = path[-1], rng.random()
    where = "/".join(map(str, path))
    if kind < 0.1:
        del place[key]
        return f"{where} is left out"
    if kind < 0.15:
        deep: Any = 1
        for _ in range(500):
            deep = [deep]
        place[key] = deep
        return f"{where} is deep"
    value = place[key]
    if kind < 0.35 and isinstance(value, int | float) and not isinstance(value, bool):
        place[key] = _pick(
            rng, (value + 1, value - 1, 2 * value, value / 2, -value, value * 1e6, value * 1e-6)
        )
    else:
        place[key] = _pick(rng, _NAMES if isinstance(value, str) and kind < 0.8 else _VALUES)
    return f"{where} is {str(place[key])[:60]!r}"


def _change_values(rng: np.random.Generator, parts: Parts) -> str:
    """Put extreme numbers into an array."""
    name = _pick(rng, list(parts.arrays))
    array = np.array(parts.arrays[name])
    if array.dtype.kind != "f":
        array = np.ones(3, np.float32)
    value = _pick(
        rng,
        (
            *(0, -1, 1e-45, 1e-38, 1e-20, 1e15, 1e20, 1e38, np.nan, np.inf, -np.inf),
            *(9999, -9999, 0.999999, 2),
        ),
    )
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        if rng.random() < 0.5 and array.size:
            flat[rng.integers(array.size, size=int(rng.integers(1, 5)))] = value
        elif rng.random() < 0.5:
            flat[:] = value
        else:
            flat *= np.float32(_pick(rng, (1e-30, 1e-6, 1e6, 1e14, 1e30)))
    parts.arrays[name] = flat.reshape(array.shape)
    return f"{name} has {value:g}"


def _change_shape(rng: np.random.Generator, parts: Parts) -> str:
    """Give an array another shape or type."""
    name = _pick(rng, list(parts.arrays))
    array = parts.arrays[name]
    others: list[Callable[[], npt.NDArray[Any]]] = [
        *(
            lambda: array.T,
            lambda: array[None],
            lambda: array.reshape(-1),
            lambda: array[:0] if array.ndim else array,
        ),
        *(lambda: array.astype(np.float64), lambda: array.astype(np.int32), lambda: array.astype(">f4")),
        *(lambda: np.asfortranarray(array), lambda: np.concatenate([np.atleast_1d(array)] * 2)),
        *(lambda: np.zeros((), np.float32), lambda: array.astype(np.complex64), lambda: array.astype(str)),
    ]
    parts.arrays[name] = _pick(rng, others)()
    return f"{name} is {parts.arrays[name].dtype} {parts.arrays[name].shape}"


def _change_names(rng: np.random.Generator, parts: Parts) -> str:
    """Leave an array out, add one, or call it differently."""
    name = _pick(rng, list(parts.arrays))
    kind = rng.integers(3)
    if kind == 0:
        parts.arrays.pop(name)
        return f"{name} is left out"
    other = _pick(rng, ("x", "W", "second_in", "C_mid", "spectrum", *(n for n in _NAMES if n.isprintable())))
    parts.arrays[other] = parts.arrays[name] if kind == 1 else parts.arrays.pop(name)
    return f"{name} is {other}, too" if kind == 1 else f"{name} is called {other}"


def _change_header(rng: np.random.Generator, parts: Parts) -> str:
    """Write a header that is not what numpy writes."""
    name = _pick(rng, list(parts.arrays))
    shapes = (
        "(1000000000000,)",
        "(-1,)",
        "(1L, (,)",
        "(" + "1," * 60 + ")",
        "(2, 3",
        "()",
        "(0, 9999999)",
        "(1.5,)",
    )
    types = ("<f4", "|O", "<f8", "<U99999999", "<U9999999", "|V8", "(2,)<f4", "<f4', 'x': __import__('os')")
    header = (
        f"{{'descr': '{_pick(rng, types)}', 'fortran_order': {_pick(rng, ('False', 'True', '1'))}, "
        f"'shape': {_pick(rng, shapes)}, }}\n"
    ).encode()
    version = _pick(rng, (b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x00"))
    size = _pick(rng, (len(header), len(header), 0, 65535))
    content = b"\x93NUMPY" + version + struct.pack("<H", size) + header + bytes(int(rng.integers(64)))
    parts.members = [
        ("meta.npy", to_npy(np.array(json.dumps(parts.meta)))),
        *((f"{n}.npy", content if n == name else to_npy(a)) for n, a in parts.arrays.items()),
    ]
    return f"the header of {name} is {header[:60]!r}"


def _change_archive(rng: np.random.Generator, parts: Parts) -> str:
    """Pack it in another way: compressed, with more members, or with many."""
    kind = rng.integers(4)
    if kind == 0:
        parts.compression = _pick(rng, (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
        return f"compression {parts.compression}"
    meta = to_npy(np.array(json.dumps(parts.meta | {"sha256": hash_arrays(parts.arrays)})))
    parts.members = [("meta.npy", meta), *((f"{n}.npy", to_npy(a)) for n, a in parts.arrays.items())]
    if kind == 1:
        parts.members *= 2
        return "each member twice"
    if kind == 2:
        n = int(2 ** rng.uniform(1, 12))
        parts.members += [(f"{i}.npy", b"") for i in range(n)]
        return f"{n} more members"
    parts.members.append(
        (_pick(rng, ("../../evil.npy", "/evil.npy", "a.txt", "W.npy.npy")), parts.members[0][1])
    )
    return f"a member {parts.members[-1][0]}"


def _break_seal(rng: np.random.Generator, parts: Parts) -> str:
    parts.is_sealed = False
    return "the hash is the old one"


CHANGES: tuple[Callable[[np.random.Generator, Parts], str], ...] = (
    *(
        _change_json,
        _change_values,
        _change_shape,
        _change_names,
        _change_header,
        _change_archive,
        _break_seal,
    ),
)
SHARES = np.array([8, 8, 2, 1, 1, 1, 0.5]) / 21.5


def change_bytes(rng: np.random.Generator, content: bytes) -> tuple[bytes, str]:
    """Change fields of the archive's records, or any bytes, or cut it off."""
    changed = bytearray(content)
    if rng.random() < 0.2:
        at = int(rng.integers(len(content)))
        return content[:at], f"cut off at {at}"
    if rng.random() < 0.7:
        records = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", content)]
        at = _pick(rng, records) + int(rng.integers(4, 46))
    else:
        at = int(rng.integers(len(content)))
    new = _pick(rng, (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", rng.bytes(1), rng.bytes(4)))
    changed[at : at + len(new)] = new
    return bytes(changed), f"{new.hex()} at {at}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    options = parse_options(str(__doc__).splitlines()[0], argv)
    with make_folder() as folder:
        return run_trial(FuzzDictionaries(folder), options)


if __name__ == "__main__":
    sys.exit(main())
