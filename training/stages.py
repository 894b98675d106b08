"""Runs in stages: each stage of a family as phases of the one loop, with the images and words that it learns from.

Which stages there are, the family says (`models.Stage`). A stage of 0 steps is left out; where a later one needs it,
its weights come from another run, `stages.start_from`: so every stage can start from what an earlier run has learned.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging

from .. import models, pipelines
from ..errors import UserError
from ..pipelines import symbols as words
from . import checkpoints, run_folder, transfer
from .loop import Hooks, Phase
from .phases import MOST, check_batch_size, stream_of
from .schedules import ScheduleSettings, check_rate

_ENCODED_AT_ONCE = 250
# How many pictures say where the latents' axes should lie.
_UNMIXED_BY = 20000
# Of a stage that sees images with and without words, the share that has words.
_SHARE_WITH_WORDS = 0.25


@dataclasses.dataclass(frozen=True)
class WordsSettings:
    """The `words` section of a config: which images have words, and what is never shown together.

    Attributes:
      pairs: images with words, 0 for all that have any; all others teach vision only.
      per_concept: where it is not 0, images with words are counted as Higgins et al. do: as many for every concept
        (a value of an attribute) as this says, and `pairs` counts for nothing. An image stands for one concept and
        comes with all its words, so that pairs are pictures x concepts.
      held_out: of the value pairs of every two attributes, the share that training never shows together.
      held_out_seed: another seed, other pairs.
    """

    pairs: int = 1500
    per_concept: int = 0
    held_out: float = 0.05
    held_out_seed: int = 0


@dataclasses.dataclass(frozen=True)
class StagesFacts:
    """What an evaluation has to know of a run in stages.

    Attributes:
      held_out: bool [values, values], the pairs of values that training never showed together.
      stages: what the model can do by now, of "denoising", "vision", "symbols", "operators".
    """

    held_out: np.ndarray
    stages: tuple[str, ...]


def vocabulary_of(config: ml_collections.ConfigDict) -> pipelines.Vocabulary:
    """The vocabulary of a run."""
    return pipelines.Vocabulary.from_plain(config.model.attributes)


def has_words(config: ml_collections.ConfigDict) -> bool:
    """Whether the family of a run learns words, for which pictures need named attributes."""
    return models.Capability.WORDS in models.family(config.model.family).capabilities


def name_attributes(config: ml_collections.ConfigDict, images: pipelines.Images) -> None:
    """Writes the data's attributes into `model.attributes`, where the config leaves them open, or checks them.

    A family without words has none, and needs no labels.

    Raises:
      UserError: no attributes, or others than the config names.
    """
    if not has_words(config):
        return
    attributes = words.attributes_of(images)
    try:
        found = pipelines.Vocabulary(attributes).plain()
    except UserError as error:
        raise UserError(f"{images.name}: {error}") from None
    if not config.model.attributes:
        with config.unlocked():
            config.model.attributes = found
    elif pipelines.Vocabulary.from_plain(config.model.attributes).plain() != found:
        raise UserError(
            f"{images.name}: has the attributes {[name for name, _, _ in found]} with other values or names than "
            "model.attributes says; leave that empty to use the data's"
        )


def held_out(config: ml_collections.ConfigDict) -> np.ndarray:
    """The pairs of values that no training picture shows together; see `symbols.held_out`. None without words."""
    if not has_words(config):
        return np.zeros([0, 0], bool)
    return words.held_out(vocabulary_of(config), float(config.words.held_out), int(config.words.held_out_seed))


def admitted(config: ml_collections.ConfigDict, images: pipelines.Images) -> pipelines.Images:
    """The pictures that training may show."""
    khot = vocabulary_of(config).khot(images.labels.reshape(len(images), -1))
    rows = np.flatnonzero(~words.holds_pair(khot, held_out(config)))
    if not len(rows):
        raise UserError(
            f"words.held_out is {config.words.held_out:g}, and every picture of {images.name} shows a held-out pair; "
            "expected less"
        )
    return images.take(rows)


def pairs(config: ml_collections.ConfigDict, images: pipelines.Images) -> np.ndarray:
    """The pictures that have words: rows of the admitted ones, `words.pairs` or `words.per_concept` a concept.

    Raises:
      UserError: none has words, or fewer pictures with words than that.
    """
    labels = images.labels.reshape(len(images), -1)
    known = np.flatnonzero((labels >= 0).any(axis=1))
    order = np.random.default_rng(int(config.seed)).permutation(len(known))
    if config.words.per_concept:
        return _of_every_concept(config, images.name, labels, known[order])
    if not len(known):
        raise UserError(f"no picture of {images.name} that may be shown has words; expected one at least")
    count = int(config.words.pairs) or len(known)
    if not 1 <= count <= len(known):
        raise UserError(
            f"words.pairs is {count}; expected 1 to {len(known)}, the pictures of {images.name} with words that "
            "may be shown, or 0 for all of them"
        )
    return known[order[:count]]


def _of_every_concept(config, name: str, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The first of these rows for every value of every attribute, none of them twice; rarest values choose first."""
    count, vocabulary = int(config.words.per_concept), vocabulary_of(config)
    khot = vocabulary.khot(labels[rows]) > 0
    chosen, lacking = _shared_out(khot, max(count, 1))
    if lacking is None and count > 0:
        return rows[chosen]
    # Pictures that one value took are gone for others, so only trying says how many there are for each.
    fewest = int(khot.sum(axis=0).min())
    most = next((fewer for fewer in range(fewest, 0, -1) if _shared_out(khot, fewer)[1] is None), 0)
    scarce = "=".join(vocabulary.place(int(np.argmin(khot.sum(axis=0)) if lacking is None else lacking)))
    if not most:
        raise UserError(
            f"words.per_concept is {count}, but {name} has no picture of its own that may be shown for {scarce}; "
            "expected 0, to count pairs"
        )
    raise UserError(
        f"words.per_concept is {count}; expected 1 to {most}, or 0 to count pairs: of {scarce} there are no more "
        f"pictures in {name} that may be shown and stand for nothing else"
    )


def _shared_out(khot: np.ndarray, count: int) -> tuple[np.ndarray, int | None]:
    """(rows, `count` for each column, none of them twice; the first column for which there are not enough, or None)."""
    free, chosen = np.ones(len(khot), bool), []
    for value in np.argsort(khot.sum(axis=0), kind="stable"):
        own = np.flatnonzero(khot[:, value] & free)[:count]
        if len(own) < count:
            return np.zeros(0, np.int64), int(value)
        free[own] = False
        chosen.append(own)
    return np.concatenate(chosen), None


def phases(
    config: ml_collections.ConfigDict, model: Any, images: pipelines.Images, strategy, begun: bool = False
) -> list[Phase]:
    """All stages of a run that have steps.

    Args:
      config: of a run of a family with stages.
      model: built from it.
      images: training images, with named attributes where the family has words.
      strategy: it will run under.
      begun: whether there is a checkpoint, with whatever was taken over from another run.

    Raises:
      UserError: a stage without the one that it stands on, a number that cannot be used.
    """
    worded = has_words(config)
    shown = admitted(config, images) if worded else images
    told = pairs(config, shown) if worded else np.zeros([0], np.int64)
    known = {stage.name: stage for stage in model.stages()}
    unknown = set(config.stages) - {*known, "start_from"}
    if unknown:
        raise UserError(f"stages has no entry '{sorted(unknown)[0]}'; expected {', '.join(known)} and start_from")
    for name in known:
        if not 0 <= config.stages[name].steps < 2**31:
            raise UserError(f"stages.{name}.steps is {config.stages[name].steps}; expected 0 to {2**31 - 1}")
    wanted = [name for name in known if config.stages[name].steps]
    if not wanted:
        raise UserError(f"stages: no stage has steps; set stages.{next(iter(known))}.steps or another")
    if config.train.steps or config.train.epochs:
        raise UserError(
            f"train.steps is {config.train.steps} and train.epochs is {config.train.epochs:g}; expected 0, a run in "
            "stages takes stages.<stage>.steps"
        )
    usual = ScheduleSettings().rate
    if config.schedule.rate != usual:
        raise UserError(
            f"schedule.rate is {config.schedule.rate:g}, but a run in stages takes stages.<stage>.rate; leave it at "
            f"{usual:g}"
        )
    if not begun:
        _take_earlier(config, model, wanted)
    made: list[Phase] = []
    start = 0
    encode = tf.function(model.encode, autograph=False, reduce_retracing=True)
    for name in wanted:
        stage, settings = known[name], config.stages[name]
        replicas = strategy.num_replicas_in_sync
        there = len(shown) if stage.sees == "images" else MOST  # What has words is repeated as often as it takes.
        held = f"{images.name} holds only {len(shown)} images that may be shown"
        batch_size = check_batch_size(f"stages.{name}.batch_size", int(settings.batch_size), replicas, there, held)
        check_rate(f"stages.{name}.rate", settings.rate)
        if settings.steps < stage.settles:
            logging.warning(
                "stages.%s.steps is %d, but its objective changes until step %d (see model.%s): it ends before that",
                name, settings.steps, stage.settles, stage.part or name,
            )  # fmt: skip
        stream, begin = _data(stage, config, encode, shown, told, batch_size, replicas)
        phase = Phase(
            name=name,
            steps=int(settings.steps),
            batch_size=batch_size,
            losses=stage.losses(start, held_out(config)),
            variables=stage.variables,
            stream=stream,
            optimizer=config.optimizer.to_dict(),
            schedule={**config.schedule.to_dict(), "rate": float(settings.rate)},
            hooks=Hooks(begin=begin),
            whole_batch=stage.whole_batch,
        )
        made += _unmixed(phase, stage, config, encode, shown) if stage.unmix else [phase]
        start += phase.steps
    return made


def _unmixed(phase: Phase, stage: models.Stage, config, encode: Callable, shown: pipelines.Images) -> list[Phase]:
    """The stage as consecutive phases, with the latents unmixed between them.

    Steps of `unmix_at` that the stage does not come to are left out, and said.

    Raises:
      UserError: `unmix_at` is no rising list of steps, or a moving average is kept.
    """
    setting = f"stages.{stage.name}.unmix_at"
    steps = _rising(setting, config.stages[stage.name].get("unmix_at", ()))
    if late := [step for step in steps if step >= phase.steps]:
        logging.warning("%s: %s left out, as the stage has %d steps", setting, ", ".join(map(str, late)), phase.steps)
    ends = [0, *(step for step in steps if step < phase.steps), phase.steps]
    if len(ends) > 2 and config.train.ema_decay:
        raise UserError(
            f"train.ema_decay is {config.train.ema_decay:g}, but latents that are unmixed have no moving average; "
            f"expected 0, or {setting}=()"
        )
    finish = functools.partial(_unmix, stage, encode, shown, int(config.seed))
    parts = []
    for first, end in itertools.pairwise(ends):
        stream = functools.partial(_later, phase.stream, first)
        hooks = phase.hooks if end == phase.steps else dataclasses.replace(phase.hooks, finish=finish)
        parts.append(dataclasses.replace(phase, steps=end - first, stream=stream, continues=first > 0, hooks=hooks))
    return parts


def _rising(setting: str, given: Any) -> list[int]:
    """Steps as a setting gives them.

    Raises:
      UserError: no list of whole numbers that rise from 1 on.
    """
    steps = list(given) if isinstance(given, list | tuple) else [given]
    whole = all(isinstance(step, int) and not isinstance(step, bool) for step in steps)
    if not whole or any(later <= earlier for earlier, later in itertools.pairwise([0, *steps])):
        raise UserError(f"{setting} is {given!r:.80}; expected whole steps that rise from 1 on, as (500, 1000), or ()")
    return steps


def _later(stream, first: int, step: int, input_context):
    """A stream that begins `first` steps later."""
    return stream(first + step, input_context)


def _unmix(stage: models.Stage, encode: Callable, shown: pipelines.Images, seed: int) -> None:
    some = np.random.default_rng(seed).permutation(len(shown))[:_UNMIXED_BY]
    codes = _codes(encode, shown.take(np.sort(some)))
    assert stage.unmix is not None
    stage.unmix(codes["mean"], codes["log_variance"])


def _data(
    stage: models.Stage,
    config,
    encode: Callable,
    shown: pipelines.Images,
    told: np.ndarray,
    batch_size: int,
    replicas: int,
) -> tuple[Callable, Callable | None]:
    """(stream, what begins the phase or None) of what a stage sees."""
    order = (batch_size, int(config.seed), replicas)
    batches = functools.partial(pipelines.batches, service_address=config.data.service)
    if stage.sees == "images":
        return stream_of(batches, shown, *order), None
    if stage.sees == "mixed":
        return stream_of(batches, _mixed(shown, told), *order), None
    # Where vision is frozen, the few pictures with words are encoded once, when the stage begins.
    codes: dict = {}
    return stream_of(pipelines.rows, codes, *order), functools.partial(_encode, encode, shown.take(told), codes)


def _mixed(shown: pipelines.Images, told: np.ndarray) -> pipelines.Images:
    """Pictures without words and, repeated until they make up their share, those with, as rows of one set."""
    silent = np.setdiff1d(np.arange(len(shown)), told)
    times = max(1, round(_SHARE_WITH_WORDS / (1.0 - _SHARE_WITH_WORDS) * len(silent) / len(told)))
    repeated = np.tile(told, times)
    labels = shown.labels.reshape(len(shown), -1)
    labels = np.concatenate([np.full_like(labels[silent], -1), labels[repeated]])
    return dataclasses.replace(shown.take(np.concatenate([silent, repeated])), labels=labels)


def _encode(encode: Callable, told: pipelines.Images, codes: dict) -> None:
    """Puts what the stages on words learn from into `codes`: "mean", "log_variance" and "label", a row a picture."""
    codes.update({**_codes(encode, told), "label": told.labels.reshape(len(told), -1)})


def _codes(encode: Callable, images: pipelines.Images) -> dict[str, np.ndarray]:
    """What a model encodes pictures as, a row each."""
    parts = [encode(batch["image"]) for batch in pipelines.in_order(images, _ENCODED_AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _take_earlier(config, model, wanted: list[str]) -> None:
    """Weights of the stages that the wanted ones build on and that this run does not train."""
    known = model.stages()
    below = known[: [stage.name for stage in known].index(wanted[-1])]
    missing = [stage for stage in below if stage.needed and stage.name not in wanted]
    folder = config.stages.start_from
    if not missing:
        if folder:
            raise UserError(
                f"stages.start_from is {folder}, but nothing would be taken from it: the last stage with steps, "
                f"{wanted[-1]}, stands on no stage of 0 steps; expected one before it, or start_from left empty"
            )
        return
    names = [stage.name for stage in missing]
    if not folder:
        raise UserError(
            f"stages.{names[0]}.steps is 0, but {wanted[-1]} needs that stage; give it steps, or a run that has "
            "trained it as --config.stages.start_from=DIR"
        )
    _check_trained(folder, [stage.name for stage in known], names)
    receiver = tf.Module()
    for stage in missing:
        setattr(receiver, stage.part, getattr(model, stage.part))
    transfer.take(folder, "stages.start_from", receiver, f"{' and '.join(names)} as configured here")


def _check_trained(folder: str, known: list[str], needed: list[str]) -> None:
    """Refuses a run that has not come as far as the stages needed."""
    other, done = run_folder.load_config(folder), checkpoints.saved_step(f"{folder}/checkpoints")
    if not models.family(other.model.family).stages or not done:
        raise UserError(f"stages.start_from is {folder}, which holds no trained run in stages")
    theirs, end = other.stages, 0
    for name in known:
        steps = int(theirs[name].steps) if name in theirs else 0
        end += steps
        if name in needed and (done < end or not (steps or theirs.start_from)):
            raise UserError(f"stages.start_from is {folder}, whose stage {name} is not trained (step {done})")


def trained(config: ml_collections.ConfigDict, model: Any, step: int) -> tuple[str, ...]:
    """What the weights of a checkpoint of `step` can do, by stages that were trained or taken over."""
    known = {stage.name: stage for stage in model.stages()}
    found, start = [], 0
    for name in known:
        steps = int(config.stages[name].steps)
        if (steps and step > start) or (not steps and config.stages.start_from and start < step):
            found.append(name)
        start += steps
    # What was taken over lies before what was trained; a stage of 0 steps behind that was left out.
    names = list(known)
    last = max((names.index(name) for name in found if int(config.stages[name].steps)), default=-1)
    return tuple(given for name in found if names.index(name) <= last for given in known[name].gives)


def facts(config: ml_collections.ConfigDict, model: Any, step: int) -> StagesFacts:
    """What an evaluation has to know of a run in stages."""
    return StagesFacts(held_out(config), trained(config, model, step))
