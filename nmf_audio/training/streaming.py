"""Atoms of a corpus of any length: passes over a stream of pieces, whose sums any number of workers share.

A pass visits all recordings once, in an order of its own. It is cut into pieces of about a minute, and these are put
together into rounds. For each piece of a round a worker finds the activations of the current atoms and sums up what
the atoms learn from; the sums of a round are added up in their order, and the atoms are updated once
(`nmf_audio.nmf.OnlineAtoms`). So nothing depends on the number of workers, and memory holds a piece for each worker
and the sums of a round, however long the corpus is.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from nmf_audio._checks import check_callable, check_whole, invalid
from nmf_audio._types import AnyArray, Array
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.io.remote import locate
from nmf_audio.nmf import OnlineAtoms
from nmf_audio.nmf.updates import Norm
from nmf_audio.training import defaults
from nmf_audio.training.card import Origin
from nmf_audio.training.checkpoint import load_checkpoint, save_checkpoint
from nmf_audio.training.corpus import Corpus, warn_left_out
from nmf_audio.training.loop import Progress, run_training
from nmf_audio.training.passes import Passes, Piece
from nmf_audio.training.plain import PlainSettings, Sample, check_plain, learn_sample, make_plain
from nmf_audio.training.sums import Model, Sums, sum_frames, sum_up

__all__ = ["AtomsTraining", "train_passes"]

FRAMES_PER_ATOM, SHORTEST_WINDOW, LONGEST_WINDOW = 50, 0.1, 0.5
"""The window: frames after which the sums of earlier rounds have lost two thirds of their weight, in the first pass,
twice as many in the second and so on; and the parts of a pass between which it may be. Short ones learn fast, long
ones average noise out."""

SAMPLE_SECONDS, SAMPLE_FRAMES, SAMPLE_ITERATIONS = defaults.STREAM_SECONDS, 20_000, 100
"""Of the sample that the first atoms and sums, the spectrum, and the number of atoms of each group come from."""


class AtomsTraining:
    """Passes over a corpus, round by round; what `nmf_audio.training.loop.run_training` takes.

    Parameters
    ----------
    corpus : Corpus
        Recordings, at the sample rate of the settings.
    settings : PlainSettings
        What is learned.
    learn_first : callable
        Returns the sample whose atoms are the first; called unless the training is continued from a checkpoint.
    passes : int
        How often all recordings are read.
    seed : int
        Of the order of the recordings.
    executor : Executor, optional
        Its workers share the pieces; all is done in the caller's thread by default.

    Attributes
    ----------
    n_steps : int
        Rounds in all.
    step_number : int
        Rounds so far.
    last_score : dict of str to float, or None
        The ``loss``, the cost a frame over the last full pass, and the ``step`` it ended with.
    broken : dict of str to str
        Recordings that could not be read, and why.
    """

    minutes: float | None = None
    is_cooling_down = has_cooled_down = False

    def __init__(
        self,
        corpus: Corpus,
        settings: PlainSettings,
        learn_first: Callable[[], Sample],
        *,
        passes: int,
        seed: int,
        executor: Executor | None = None,
    ) -> None:
        self._corpus, self._settings, self._learn_first = corpus, settings, learn_first
        self._executor = executor
        self._passes = Passes(corpus, balanced=settings.one_group is not None, seed=seed)
        self.n_rounds = self._passes.n_rounds
        self.n_steps, self.step_number = passes * self.n_rounds, 0
        self.last_score: dict[str, float] | None = None
        self.broken: dict[str, str] = {}
        self.n_frames = 0
        self._cost = np.zeros(2)
        self._facts = {
            "recordings": _fingerprint(corpus),
            "settings": {
                **settings._asdict(),
                "spec": asdict(settings.spec),
                "seed": seed,
                "rounds": self.n_rounds,
            },
        }
        self._online: dict[str, OnlineAtoms] = {}
        self.spectrum: Array = np.empty(0, np.float32)

    @property
    def atoms(self) -> dict[str, Array]:
        """Current atoms of each group, of unit L2 norm."""
        return {group: _unit(online.W) for group, online in self._online.items()}

    def step(self) -> float:
        """Take one round; return its cost a frame."""
        first = None
        if not self._online:
            first = self._learn_first()
            self.spectrum = first.spectrum
            self._begin(first.atoms)
        number, n = divmod(self.step_number, self.n_rounds)
        if n == 0:
            self._cost[:], self.n_frames = 0, 0
        sums = Sums()
        for part in self._sum_pieces(self._passes.pieces(number, n)):
            sums.add(part)
        learned = sums.for_atoms
        if first is not None:
            learned = self._with_sample(sums, first)
        for group, for_atoms in learned.items():
            online = self._online[group]
            n_rounds = self._passes.rounds_with(self._n_seconds(group))
            online.rho = math.exp(-1 / (self._window(group, online.W, number) * n_rounds))
            online.add(*for_atoms)
        self.broken |= {str(path): reason for path, reason in sums.broken.items()}
        self._cost += sums.cost, sums.weight
        self.n_frames += sums.n_frames
        self.step_number += 1
        return sums.cost / sums.weight if sums.weight else 0.0

    def keep_score(self) -> dict[str, float]:
        """Return the cost a frame over the pass so far, and keep it for checkpoints."""
        cost, weight = self._cost
        score = {"loss": float(cost / weight) if weight else 0.0}
        self.last_score = {"step": self.step_number, **score}
        return score

    def plan_minutes(self, minutes: float) -> None:
        """Refuse: how long it takes follows from the passes."""
        raise invalid("minutes", minutes, "left out", "give the number of passes")

    def is_on_the_way(self, path: str | os.PathLike[str], minutes: float | None = None) -> bool:
        """Return whether a checkpoint is from a cool-down: there is none."""
        return False

    def describe_score(self) -> str:
        """Return the last score in words."""
        assert self.last_score is not None
        return (
            f"cost {self.last_score['loss']:.4f} a frame, of those up to step {self.last_score['step']:.0f}"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint; raises DictionaryError when it can't be written."""
        facts = {
            "step": self.step_number,
            "groups": list(self._online),
            "score": self.last_score,
            "broken": self.broken,
            "n_frames": self.n_frames,
        }
        arrays: dict[str, AnyArray] = {"spectrum": self.spectrum, "cost": self._cost}
        for i, online in enumerate(self._online.values()):
            arrays[f"atoms/{i}"], arrays[f"state/{i}"] = online.W, online.state
        save_checkpoint(path, arrays, self._facts | facts)

    def restore(self, path: str | os.PathLike[str], minutes: float | None = None) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        DictionaryError
            When it can't be read.
        ParameterError
            When it is of other settings or other recordings, or has more passes than are asked for.
        """
        arrays, facts = load_checkpoint(path)
        for name, wanted in self._facts.items():
            if facts.get(name) != wanted:
                given = f"checkpoint {path}: its {name} differ"
                allowed = f"of a training with the same {name}"
                raise invalid("checkpoint", str(path), allowed, "or start anew", given=given)
        if facts["step"] > self.n_steps:
            done = facts["step"] / self.n_rounds
            allowed = f"more, for checkpoint {path} has {done:.1f} passes already"
            raise invalid("passes", self.n_steps // self.n_rounds, allowed, "ask for more, or start anew")
        self.spectrum = arrays["spectrum"]
        self._begin({group: arrays[f"atoms/{i}"] for i, group in enumerate(facts["groups"])})
        for i, online in enumerate(self._online.values()):
            online.state = arrays[f"state/{i}"]
        self.step_number, self.last_score = int(facts["step"]), facts["score"]
        self.broken, self.n_frames = dict(facts["broken"]), int(facts["n_frames"])
        self._cost = arrays["cost"].copy()

    def _begin(self, atoms: Mapping[str, Array]) -> None:
        norm: Norm = "l2" if self._settings.l1_H > 0 else None
        self._online = {
            group: OnlineAtoms(W, beta=self._settings.beta, norm=norm) for group, W in atoms.items()
        }

    def _n_seconds(self, group: str) -> float:
        """How much sound of a group of atoms a pass has."""
        members = self._corpus.recordings
        of_all = self._settings.one_group is not None
        return sum(r.seconds for r in members if of_all or r.group == group)

    def _n_frames(self, group: str) -> float:
        """About how many frames that is: they overlap by half."""
        return 2 / self._settings.spec.frame_seconds * self._n_seconds(group)

    def _window(self, group: str, W: Array, number: int) -> float:
        """Return the window as a part of a pass, the first of which has the number 0."""
        share = FRAMES_PER_ATOM * W.shape[1] / self._n_frames(group)
        return float(min((number + 1) * max(share, SHORTEST_WINDOW), LONGEST_WINDOW))

    def _with_sample(self, sums: Sums, first: Sample) -> dict[str, AnyArray]:
        """Return the sums of the first round and those of the sample, which stand for the rounds before it.

        With those of one round alone, the first step would lead away from what the sample has taught.
        """
        total = Sums(dict(sums.for_atoms))
        for group, W in first.atoms.items():
            frames = first.frames[group]
            weight = self._window(group, W, 0) * self._n_frames(group) / frames.V.shape[1]
            total.add(sum_frames(frames, group, W, weight, self._settings))
        return total.for_atoms

    def _sum_pieces(self, pieces: Sequence[Piece]) -> Iterator[Sums]:
        """Yield the sums of pieces in their order, whoever sums them up."""
        atoms = {group: online.W for group, online in self._online.items()}
        model = Model(self._settings, self.spectrum, atoms)
        if self._executor is None:
            yield from (sum_up(piece, model) for piece in pieces)
            return
        futures = [self._executor.submit(sum_up, piece, model) for piece in pieces]
        try:
            yield from (future.result() for future in futures)
        finally:
            for future in futures:
                future.cancel()


def _fingerprint(corpus: Corpus) -> str:
    """Return a hash over what the recordings are called and how long they are: content is not read for it."""
    digest = hashlib.sha256()
    for r in corpus.recordings:
        digest.update(f"{r.path.name} {r.group} {r.sr} {r.first} {r.n_samples} {r.weight};".encode())
    return digest.hexdigest()


def _unit(W: Array) -> Array:
    unit: Array = W / np.linalg.norm(W, axis=0)
    return unit


def train_passes(
    corpus: Corpus,
    *,
    source: str,
    passes: int = defaults.PASSES,
    n_components: int | None = None,
    one_group: str | None = None,
    beta: float = defaults.BETA,
    l1_H: float | None = None,
    spec: FrontEndSpec | None = None,
    spectrum: Array | None = None,
    origins: Mapping[Path, Origin] | None = None,
    executor: Executor | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool | str | os.PathLike[str] = False,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Dictionary:
    """Learn atoms of one source from all of a corpus, in memory that does not depend on its length.

    As `train_plain` from a sample that holds everything, but that every group counts the same in one for all, as far
    as a frame counts at most ten times, and recordings as their `weight` says.

    Parameters
    ----------
    corpus : Corpus
        Recordings, at the spec's sample rate.
    source, n_components, one_group, beta, l1_H, spec, spectrum, origins
        As in `nmf_audio.training.plain.train_plain`.
    passes : int
        How often all recordings are read.
    executor : concurrent.futures.Executor, optional
        Its workers share each pass; they open the recordings by their paths. The result does not depend on how many
        they are. All is done in the caller's thread by default.
    checkpoint : path-like, optional
        Where to keep the state, written at the end of a pass, every two minutes, and when it is interrupted.
    resume : bool or path-like
        Go on from `checkpoint` if it is there, or from another one, which must be there: the result is the same, bit
        for bit, as without the interruption. More passes than before may be asked for.
    seed : int
        Of all randomness. The same seed, machine and versions give the same bits.
    progress : callable, optional
        Called with a `Progress` after every step, an update of the atoms; its score is the cost a frame over a pass.

    Returns
    -------
    Dictionary
        Kind ``'plain'``; atoms have L2 norm 1. Its `meta` tells what it was learned from and how.

    Raises
    ------
    ParameterError
        When an argument is out of its range, the recordings are too short for so many atoms, or the checkpoint is of
        another training.
    AudioFileError
        When nothing could be read or all is silence. If some could, a `CorpusWarning` names the others.
    DictionaryError
        When the checkpoint can't be read or written.

    Examples
    --------
    >>> import tempfile, soundfile as sf
    >>> from nmf_audio.training.corpus import find_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hiss = np.random.default_rng(0).standard_normal(32000) / 10
    ...     sf.write(Path(folder) / "hiss.wav", hiss, 16000)
    ...     corpus = find_recordings([folder], sr=16000)
    ...     train_passes(corpus, source="noise", one_group="hiss", n_components=4, passes=2)
    <Dictionary 'unsaved': plain, 4 noise atoms of 100 bands>
    """
    check_callable("progress", progress)
    settings = check_plain(corpus, source, n_components, one_group, beta, l1_H, spec)
    passes = check_whole("passes", passes, 1, advice=f"{defaults.PASSES} is the default")

    def learn_first() -> Sample:
        return learn_sample(
            corpus,
            settings,
            max_iter=SAMPLE_ITERATIONS,
            n_frames=SAMPLE_FRAMES,
            max_seconds=SAMPLE_SECONDS,
            spectrum=spectrum,
            rng=np.random.default_rng(seed),
        )

    training = AtomsTraining(corpus, settings, learn_first, passes=passes, seed=seed, executor=executor)
    run_training(
        training,
        minutes=None,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_steps=training.n_rounds,
        progress=progress,
    )
    heard: dict[Path, float] = {}
    for recording in corpus.recordings:
        if str(recording.path) not in training.broken:
            heard[recording.path] = heard.get(recording.path, 0.0) + recording.seconds
    warn_left_out({locate(path): reason for path, reason in training.broken.items()})
    made = {
        "max_iter": passes,
        "n_frames": training.n_frames,
        "seconds": round(sum(heard.values()), 1),
        "seed": seed,
        "cost_per_frame": round(training.keep_score()["loss"], 3),
    }
    return make_plain(settings, training.spectrum, training.atoms, heard, made, origins)
