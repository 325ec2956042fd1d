"""Changes of a file's bytes that know its format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.stress.layouts import Layout, find_layout

__all__ = ["Splice", "apply", "choose_splice", "cut_at", "flip_bit"]

MOST_GROWTH = 2**20


@dataclass(frozen=True)
class Splice:
    """Other bytes in the place of those from `start` to `stop`."""

    kind: str
    start: int
    stop: int
    new: bytes = b""

    def __call__(self, content: bytes) -> bytes:
        return content[: self.start] + self.new + content[self.stop :]

    def __repr__(self) -> str:
        new = self.new.hex() if len(self.new) <= 16 else f"{len(self.new)} bytes"
        return f"{self.kind} at {self.start}: {self.stop - self.start} bytes become {new or 'none'}"


def apply(content: bytes, splices: Sequence[Splice]) -> bytes:
    """Return a file with all changes made, one after the other."""
    for splice in splices:
        content = splice(content)
    return content


Choose = Callable[[np.random.Generator, bytes, Layout, bytes], Splice]


def choose_splice(rng: np.random.Generator, content: bytes, other: bytes) -> Splice:
    """Return a change of one of many kinds; `other` is another file, parts of which may be put in."""
    choose = _CHOICES[rng.choice(len(_CHOICES), p=_SHARES)]
    layout = find_layout(content)
    if not layout.fields or not layout.parts:
        choose = _random_bytes if len(content) else _insert
    return choose(rng, content, layout, other)


def cut_at(at: int, content: bytes) -> Splice:
    """Return the change that cuts a file off."""
    return Splice("cut off", at, len(content))


def flip_bit(at: int, bit: int, content: bytes) -> Splice:
    """Return the change of one bit."""
    return Splice("one bit", at, at + 1, bytes([content[at] ^ 1 << bit]))


def _field(rng: np.random.Generator, content: bytes, layout: Layout, _: bytes) -> Splice:
    chosen = layout.fields[rng.integers(len(layout.fields))]
    value, top = chosen.read(content), 256**chosen.width
    values = [
        *(0, 1, 2, 3, top - 1, top - 2, top // 2, top // 2 - 1, value + 1, value - 1, 2 * value, value // 2),
        *(len(content), len(content) - chosen.at, 65536, 768000, 1 << int(rng.integers(8 * chosen.width))),
        int.from_bytes(rng.bytes(chosen.width), "little"),
    ]
    new = chosen.pack(values[rng.integers(len(values))])
    return Splice("a number", chosen.at, chosen.at + chosen.width, new)


def _cut(rng: np.random.Generator, content: bytes, layout: Layout, _: bytes) -> Splice:
    if rng.random() < 0.5:
        start, stop = layout.parts[rng.integers(len(layout.parts))]
        at = (start, stop)[rng.integers(2)] + int(rng.integers(-8, 9))
    else:
        at = int(rng.integers(len(content) + 1))
    return cut_at(min(max(at, 0), len(content)), content)


def _run(rng: np.random.Generator, content: bytes, *_: object) -> Splice:
    start = int(rng.integers(len(content)))
    stop = min(start + int(2 ** rng.uniform(1, 12)), len(content))
    return Splice("a run", start, stop, bytes([(0, 255)[rng.integers(2)]]) * (stop - start))


def _one_bit(rng: np.random.Generator, content: bytes, *_: object) -> Splice:
    return flip_bit(int(rng.integers(len(content))), int(rng.integers(8)), content)


def _random_bytes(rng: np.random.Generator, content: bytes, *_: object) -> Splice:
    # most of what matters is at the beginning
    start = int(len(content) * rng.random() ** 3)
    n = int(2 ** rng.uniform(0, 6))
    return Splice("random bytes", start, min(start + n, len(content)), rng.bytes(n))


def _insert(rng: np.random.Generator, content: bytes, *_: object) -> Splice:
    start = int(rng.integers(len(content) + 1))
    return Splice("inserted", start, start, rng.bytes(int(2 ** rng.uniform(0, 8))))


def _choose_part(rng: np.random.Generator, content: bytes, layout: Layout) -> tuple[int, int, bytes]:
    start, stop = layout.parts[rng.integers(len(layout.parts))]
    return start, stop, content[start:stop]


def _remove(rng: np.random.Generator, content: bytes, layout: Layout, _: bytes) -> Splice:
    start, stop, _part = _choose_part(rng, content, layout)
    return Splice("a part left out", start, stop)


def _repeat(rng: np.random.Generator, content: bytes, layout: Layout, _: bytes) -> Splice:
    _start, stop, part = _choose_part(rng, content, layout)
    n = min(int(2 ** rng.uniform(0, 10)), MOST_GROWTH // max(len(part), 1) + 1)
    return Splice("a part repeated", stop, stop, n * part)


def _move(rng: np.random.Generator, content: bytes, layout: Layout, _: bytes) -> Splice:
    one, two = sorted(layout.parts[i] for i in rng.integers(len(layout.parts), size=2))
    if one[1] > two[0]:
        return Splice("a part copied", one[0], one[0], content[two[0] : two[1]])
    new = content[two[0] : two[1]] + content[one[1] : two[0]] + content[one[0] : one[1]]
    return Splice("two parts in turn", one[0], two[1], new)


def _foreign(rng: np.random.Generator, content: bytes, layout: Layout, other: bytes) -> Splice:
    parts = find_layout(other).parts or [(0, len(other))]
    start, stop = parts[rng.integers(len(parts))]
    at = layout.parts[rng.integers(len(layout.parts))][rng.integers(2)]
    if rng.random() < 0.5:
        return Splice("the end of another file", at, len(content), other[start:])
    return Splice("a part of another file", at, at, other[start:stop])


_CHOICES: tuple[Choose, ...] = (
    *(_field, _cut, _run, _one_bit, _random_bytes, _insert, _remove, _repeat, _move, _foreign),
)
_SHARES = np.array([8, 2, 1.5, 1.5, 2, 1, 1.5, 1, 1, 2]) / 21.5
