"""Guided replay: a discriminant that forgets nothing labels what is imagined, and the prior is fitted to codes."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import tensorflow as tf

from ...errors import UserError
from ...layers import Noise
from .class_moments import ClassMoments
from .equal_mixture import fit_equal_mixture
from .gathering import set_classifier
from .generative import Generative
from .method import MethodContext, state
from .model import ImaginingModel
from .rff import spread_of
from .slda import DiscriminantOptions, discriminant_of

# Codes of a class that its part of the prior is fitted to, and rows that are imagined at a time.
_CODES = 1000
_BATCH = 1000
# Batches of a task that are gathered in one product.
_TOGETHER = 6


class Guided(Generative):
    """Brain-inspired replay with two additions; no image is kept.

    1. Beside the trunk stands a discriminant on random Fourier features (`model.discriminant`, see `RFF`). It is
       worked out from the means of the classes and one covariance, gathered in one pass over a task's images before
       it is learned, and so never changes its mind about an old class. Where tasks share their classes, a class has a
       mean in each: images of another permutation are no nearer to those of the same class than to all others. The
       network answers with the sum of both logits, and that is also what the copy labels imagined rows by: what has
       drifted in the copy does not become the next network's truth.
    2. After a task the prior of every class is fitted to codes, by `model.modes` Gaussians: to those of the task's
       own images, and for earlier classes to those of what the copy imagines. Gradients alone leave the modes of a
       class nearly alike, and what is imagined too uniform.

    Where gates are keyed by task priors are left alone: a code means something only under the gates that it was
    learned with, and one prior has no room for those of all tasks. There the copy's network alone labels what it
    imagined, too, and answers first: of a permutation a discriminant knows less than of a class.

    Memory grows with the number of features, not of images; with tasks only by a mean a class of each (`domain`).

    Arguments:
      context: see `MethodContext`.
    """

    name, recipe = "guided", "guided"
    summary = "brain-inspired replay that a one-pass discriminant labels, with priors fitted to codes"
    options = DiscriminantOptions
    components = ("feedback", "conditional", "gating", "internal", "distillation")

    def __init__(self, context: MethodContext):
        super().__init__(context.model, context.copy(), context.stream, context.settings)
        kernel = context.model.discriminant.kernel
        self.gathered = state(0)
        self.moments = ClassMoments(int(kernel.shape[1]), int(kernel.shape[0]), single=True)
        self._tasks, self._shrinkage, self._seed = context.tasks, context.options.shrinkage, context.seed
        once = {"autograph": False, "reduce_retracing": True}
        self._compiled = {
            name: tf.function(function, **once)
            for name, function in (("add", self._add), ("code", self._code), ("imagine", self._imagine))
        }

    @classmethod
    def build(cls, context: MethodContext) -> "Guided":
        """See `Method.build`."""
        return cls(context)

    def before_task(self, task: int) -> None:
        """Gathers the task and sets the discriminant, of which the spread of the first task's rows is part.

        A discriminant that did not know the task's classes yet would outvote the network while it learns them.
        """
        if int(self.gathered.numpy()) > task:
            return  # The run was stopped inside this task.
        if not task and not self._model.config.fourier_deviation:
            self._model.discriminant_features.spread.assign(spread_of(self._tasks.represented(task)))
        if task and self._stream.domains > 1 and not np.any(self.copy.discriminant.kernel[:, -1]):
            # Of a run that goes on: its copy was taken when there were fewer domains.
            self._set(self.copy.discriminant)
        self._gather(task)
        self.gathered.assign(task + 1)

    def after_task(self, task: int) -> None:
        """Fits the prior, and then takes the copy."""
        if self._model.config.gate_by == "class":
            self._fit_prior(task)
        super().after_task(task)

    def judged(self, inputs: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """See `Copy.judged`."""
        if self._model.config.gate_by == "class":
            return super().judged(inputs, hidden)
        return self.copy.logits(hidden)

    def _gather(self, task: int) -> None:
        first = task * self._stream.outputs if self._stream.domains > 1 else 0
        batches = iter(self._tasks.represented(task))
        # Several at a time: each product is as large as the scatter itself, however few rows it is of.
        while together := list(itertools.islice(batches, _TOGETHER)):
            rows, label = (np.concatenate(parts) for parts in zip(*together, strict=True))
            self._compiled["add"](tf.constant(rows), tf.constant(label + first))
        self._set(self._model.discriminant)

    def _set(self, layer: Any) -> None:
        met = self.moments.counts.numpy() > 0.0
        known = discriminant_of(self.moments, self._shrinkage)
        set_classifier(layer, *in_every_domain(met, *known, self._stream.domains))

    def _fit_prior(self, task: int) -> None:
        noise = Noise(self._seed, task)
        codes: dict[int, list] = {}
        for number, (rows, label, share) in enumerate(self._examples(task, noise)):
            drawn = self._compiled["code"](tf.constant(rows), noise.key(f"codes {number}")).numpy()
            for unit in np.unique(label):
                taken = codes.setdefault(int(unit), [])
                room = round(share * _CODES) - sum(len(part) for part, of in taken if of == share)
                taken.append((drawn[label == unit][: max(room, 0)], share))
        model = cast(ImaginingModel, self._model)
        means, log_variances = model.prior.means.numpy(), model.prior.log_variances.numpy()
        for unit, parts in codes.items():
            points = np.concatenate([part for part, _ in parts])
            means[unit], log_variances[unit] = fit_equal_mixture(points, model.config.modes, self._seed)
        model.prior.means.assign(means)
        model.prior.log_variances.assign(log_variances)

    def _examples(self, task: int, noise: Noise) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Yields (rows, labels, share of a class' codes) of the task's own images and of what the copy imagines."""
        # Where tasks share classes, what was learned of a class before counts by the number of tasks.
        own = 1.0 / (task + 1) if self._stream.scenario == "domain" else 1.0
        for rows, label in self._tasks.represented(task):
            yield rows, label, own
        if not task:
            return
        classes = self._stream.classes_per_task * (1 if self._stream.scenario == "domain" else task)

        for part in range(-(-classes * _CODES // _BATCH)):
            rows, label = self._compiled["imagine"](tf.constant(task), tf.constant(task * 10_000 + part))
            yield rows.numpy(), label.numpy(), 1.0 if own == 1.0 else 1.0 - own

    def _add(self, rows, label) -> None:
        self.moments.add(self._model.discriminant_features(rows), label)

    def _code(self, rows, key):
        """Codes drawn from the posteriors of rows: float32 [n, latents]."""
        model = cast(ImaginingModel, self._model)
        mean, log_variance = model.posterior_of(rows, model.activations(rows)[0])
        return mean + tf.exp(0.5 * log_variance) * tf.random.stateless_normal(tf.shape(mean), key, alg="philox")

    def _imagine(self, task, step) -> tuple:
        """(rows, the copy's best guesses) of earlier tasks."""
        rehearsed = self.rows(tf.zeros([0, 0]), _BATCH, task, Noise(self._seed, step))
        return rehearsed.inputs, tf.argmax(rehearsed.targets, axis=-1)

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`; the number is that of features."""
        super().configure(config, chosen, value)
        if not chosen:
            return
        config.model.discriminant = int(5000 if value is None else value)
        # Gates of tasks keep apart what tasks have apart: they and the prior stay, and the network answers first.
        config.model.discriminant_weight = 0.03
        if config.model.gate_by == "class":
            config.model.discriminant_weight = 3.0
            # The discriminant answers for the classes, so the trunk may learn more of what makes a picture.
            config.model.generative_weight, config.model.modes = 20.0, 10
            # What knows the classes so well can look at what it imagines before it is shown.
            config.model.attempts, config.model.temperature = 2, 1.15
            config.model.gating = 0.1 if config.model.gating else 0.0
        scale = 1.0 if config.model.mean else config.model.fourier_deviation
        config.model.fourier_deviation = 0.0 if config.model.internal else scale

    @classmethod
    def check_model(cls, chosen: bool, model: Mapping) -> None:
        """See `Method.check_model`: a discriminant if, and only if, the method is in use, and a prior to fit."""
        features = model.get("discriminant", 0)
        if chosen != bool(features):
            raise UserError(
                f"guided is {'on' if chosen else 'off'}, but model.discriminant is {features}; expected "
                f"{'a number of features, as 5000' if chosen else '0, for nothing else sets a discriminant'}"
            )
        if chosen and not model.get("conditional", True):
            raise UserError("guided is on, but model.conditional is False; expected True: it fits priors of classes")
        if chosen and model.get("convolutions") and not model.get("internal"):
            raise UserError("guided is on, but model.internal is False; expected True: its features must not drift")


def in_every_domain(met: np.ndarray, kernel: np.ndarray, bias: np.ndarray, domains: int) -> tuple:
    """Gives a class in every domain a Gaussian: in one where it was not met yet, that of the domain where it was last.

    Of k alike Gaussians each counts 1/k, so that together they are the one that they stand for.

    Args:
      met: bool [domains * classes], of all domains in turn.
      kernel, bias: float [units, met], [met], of those met.
      domains: how many.

    Returns:
      (met bool [domains * classes], kernel [units, now met], bias [now met]).

    Example:
      >>> met, kernel, bias = in_every_domain(np.array([True, False]), np.array([[3.0]]), np.zeros(1), 2)
      >>> met.tolist(), kernel.tolist(), np.exp(bias).tolist()
      ([True, True], [[3.0, 3.0]], [0.5, 0.5])
    """
    table = met.reshape(domains, -1)
    last = domains - 1 - np.argmax(table[::-1], axis=0)  # Of a class met nowhere, any: it is left out below.
    domain = np.where(table, np.arange(domains)[:, None], last)
    everywhere = np.broadcast_to(table.any(axis=0), table.shape).ravel()
    stands_for = (domain * table.shape[1] + np.arange(table.shape[1])).ravel()[everywhere]
    copies = np.bincount(stands_for, minlength=len(met))[stands_for]
    columns = np.cumsum(met)[stands_for] - 1
    return everywhere, kernel[:, columns], bias[columns] - np.log(copies)
