"""SCAN's stages as phases of the one loop: denoising, vision, symbols, operators; and the joint stage of its baseline.

A stage of 0 steps is left out. Where a later one needs it, its weights come from another run,
`stages.start_from`: so every stage can start from what an earlier run has learned.
"""

import dataclasses
import functools
import itertools

import ml_collections
import numpy as np
import tensorflow as tf

from .. import pipelines
from ..errors import UserError
from ..models.unmixing import unmix
from ..pipelines import symbols as words
from . import checkpoints, run_folder, transfer
from .loop import Hooks, Phase

STAGES = ("denoising", "vision", "symbols", "operators")
# Where each stage's weights are in the model.
_PARTS = {"denoising": "denoising", "vision": "vision", "symbols": "symbols", "operators": "recombination"}
_ENCODED_AT_ONCE = 250
# How many pictures say where the latents' axes should lie.
_UNMIXED_BY = 20000
# Of the joint stage's pictures, the share that has words.
_JOINT_SHARE = 0.25


def vocabulary_of(config: ml_collections.ConfigDict) -> pipelines.Vocabulary:
    """The vocabulary of a run."""
    return pipelines.Vocabulary.from_plain(config.model.attributes)


def name_attributes(config: ml_collections.ConfigDict, images: pipelines.Images) -> None:
    """Writes the data's attributes into `model.attributes`, where the config leaves them open, or checks them.

    Raises:
      UserError: no attributes, or others than the config names.
    """
    found = pipelines.Vocabulary(words.attributes_of(images)).plain()
    if not config.model.attributes:
        with config.unlocked():
            config.model.attributes = found
    elif pipelines.Vocabulary.from_plain(config.model.attributes).plain() != found:
        raise UserError(
            f"{images.name}: has the attributes {[name for name, _, _ in found]} with other values or names than "
            "model.attributes says; leave that empty to take the data's"
        )


def held_out(config: ml_collections.ConfigDict) -> np.ndarray:
    """The pairs of values that no training picture shows together; see `symbols.held_out`."""
    return words.held_out(vocabulary_of(config), float(config.words.held_out), int(config.words.held_out_seed))


def admitted(config: ml_collections.ConfigDict, images: pipelines.Images) -> pipelines.Images:
    """The pictures that training may show."""
    khot = vocabulary_of(config).khot(images.labels.reshape(len(images), -1))
    rows = np.flatnonzero(~words.holds_pair(khot, held_out(config)))
    if not len(rows):
        raise UserError(f"{images.name}: every picture shows a held-out pair; lower words.held_out")
    return images.take(rows)


def pairs(config: ml_collections.ConfigDict, images: pipelines.Images) -> np.ndarray:
    """The pictures that have words: the rows of `words.pairs` of the admitted ones, by the run's seed.

    Raises:
      UserError: fewer pictures with words than that.
    """
    known = np.flatnonzero((images.labels.reshape(len(images), -1) >= 0).any(axis=1))
    count = int(config.words.pairs)
    if not 1 <= count <= len(known):
        raise UserError(f"words.pairs is {count}; {images.name} has {len(known)} pictures with words that may be shown")
    return known[np.random.default_rng(int(config.seed)).permutation(len(known))[:count]]


def phases(config: ml_collections.ConfigDict, model, images: pipelines.Images, strategy) -> list:
    """All stages of a run that have steps.

    Args:
      config: of a run of the family scan or jmvae.
      model: built from it.
      images: training images with named attributes.
      strategy: it will run under.

    Raises:
      UserError: a stage without the one that it stands on, a number that cannot be used.
    """
    shown = admitted(config, images)
    told = pairs(config, shown)
    known = ("joint",) if config.model.family == "jmvae" else STAGES
    unknown = set(config.stages) - {*known, "start_from"}
    if unknown:
        raise UserError(f"stages has no entry '{sorted(unknown)[0]}'; expected {', '.join(known)} and start_from")
    wanted = [stage for stage in known if int(config.stages[stage].steps) > 0]
    if not wanted:
        raise UserError(f"stages: no stage has steps; set stages.{known[0]}.steps or another")
    if config.train.steps or config.train.epochs:
        raise UserError("train.steps and train.epochs are not for runs in stages; set stages.<stage>.steps")
    if config.model.family == "scan":
        _take_earlier(config, model, wanted)
    made, start = [], 0
    for stage in wanted:
        settings = config.stages[stage]
        batch_size, replicas = int(settings.batch_size), strategy.num_replicas_in_sync
        if batch_size < 1 or batch_size % replicas:
            raise UserError(f"stages.{stage}.batch_size is {batch_size}; expected a multiple of {replicas} replica(s)")
        rows = functools.partial(_rows, int(config.seed), batch_size, replicas)
        phase = Phase(
            name=stage,
            steps=int(settings.steps),
            batch_size=batch_size,
            optimizer=config.optimizer.to_dict(),
            schedule={**config.schedule.to_dict(), "rate": float(settings.rate)},
            **_objective(stage, config, model, shown, told, start, rows),
        )
        made += _parted(phase, config, model, shown) if stage == "vision" else [phase]
        start += phase.steps
    return made


def _parted(phase: Phase, config, model, shown: pipelines.Images) -> list:
    """The stage of vision as phases that go on from one another, with the latents unmixed between them.

    Steps of `unmix_at` that the stage does not come to are left out.

    Raises:
      UserError: `unmix_at` is no rising list of steps, or a moving average is kept.
    """
    steps = [int(step) for step in config.stages.vision.get("unmix_at", ())]
    if any(later <= earlier for earlier, later in itertools.pairwise([0, *steps])):
        raise UserError(f"stages.vision.unmix_at is {steps}; expected rising steps from 1 on")
    ends = [0, *(step for step in steps if step < phase.steps), phase.steps]
    if len(ends) > 2 and config.train.ema_decay:
        raise UserError("latents that are unmixed have no moving average; set train.ema_decay to 0, or unmix_at to ()")
    finish = functools.partial(_unmix, model, shown, int(config.seed))
    parts = []
    for first, end in itertools.pairwise(ends):
        stream = functools.partial(_later, phase.stream, first)
        part = dataclasses.replace(phase, steps=end - first, stream=stream, continues=first > 0)
        parts.append(part if end == phase.steps else dataclasses.replace(part, hooks=Hooks(finish=finish)))
    return parts


def _later(stream, first: int, step: int, input_context):
    """A stream that begins `first` steps later."""
    return stream(first + step, input_context)


def _unmix(model, shown: pipelines.Images, seed: int) -> None:
    some = np.random.default_rng(seed).permutation(len(shown))[:_UNMIXED_BY]
    codes = _codes(model, shown.take(np.sort(some)))
    unmix(model.vision, codes["mean"], codes["log_variance"])


def _objective(stage: str, config, model, shown: pipelines.Images, told: np.ndarray, start: int, rows) -> dict:
    """What a stage learns from what: losses, variables, stream and, where it needs one, begin of its phase."""
    if stage == "denoising":
        part, losses = model.denoising, model.denoising.losses
    elif stage == "vision":
        part, losses = model.vision, functools.partial(model.vision_losses, first_step=start)
    elif stage == "joint":
        mixed = _mixed(shown, told)
        stream = functools.partial(rows, pipelines.batches, mixed)
        return {"losses": model.losses, "variables": model.trainable_variables, "stream": stream}
    elif stage == "symbols":
        part, losses = model.symbols, model.symbol_losses
    else:
        table = tf.constant(held_out(config), tf.float32)
        part, losses = model.recombination, functools.partial(model.operator_losses, held_out=table)
    learned = {"losses": losses, "variables": part.trainable_variables}
    if stage in ("denoising", "vision"):
        return {**learned, "stream": functools.partial(rows, pipelines.batches, shown)}
    # Where vision is frozen, the few pictures with words are encoded once, when the stage begins.
    codes: dict = {}
    begin = functools.partial(_encode, model, shown.take(told), codes)
    return {**learned, "hooks": Hooks(begin=begin), "stream": functools.partial(rows, pipelines.rows, codes)}


def _rows(seed: int, batch_size: int, replicas: int, reader, source, first_step: int, input_context):
    """The stream of a phase: `reader` is `pipelines.batches` or `pipelines.rows`, of the source that it takes."""
    order = {"seed": seed + getattr(input_context, "seed_offset", 0), "start_step": first_step}
    return reader(source, batch_size, **order, input_context=input_context, replicas=replicas)


def _mixed(shown: pipelines.Images, told: np.ndarray) -> pipelines.Images:
    """All pictures without words and, repeated until they make up their share, those with, as rows of one set."""
    times = max(1, round(_JOINT_SHARE / (1.0 - _JOINT_SHARE) * len(shown) / len(told)))
    repeated = np.tile(told, times)
    labels = shown.labels.reshape(len(shown), -1)
    labels = np.concatenate([np.full_like(labels, -1), labels[repeated]])
    return dataclasses.replace(shown.take(np.concatenate([np.arange(len(shown)), repeated])), labels=labels)


def _encode(model, told: pipelines.Images, codes: dict) -> None:
    """Puts what the stages on words learn from into `codes`: "mean", "log_variance" and "label", a row a picture."""
    codes.update({**_codes(model, told), "label": told.labels.reshape(len(told), -1)})


def _codes(model, images: pipelines.Images) -> dict:
    """{"mean", "log_variance"} of pictures, a row each."""
    encode = tf.function(model.vision.code)
    parts = [encode(batch["image"]) for batch in pipelines.in_order(images, _ENCODED_AT_ONCE)]
    mean, log_variance = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"mean": mean, "log_variance": log_variance}


def _take_earlier(config, model, wanted: list) -> None:
    """Weights of the stages that the wanted ones stand on and that this run does not train."""
    # The features of the denoising autoencoder are needed where vision is judged by them, or seen through them.
    through = config.model.vision.get("likelihood", "") == "features" or config.model.get("view", "") == "denoised"
    below = STAGES[0 if through else 1 : STAGES.index(wanted[-1])]
    missing = [stage for stage in below if stage not in wanted]
    if not missing:
        return
    folder = config.stages.start_from
    if not folder:
        raise UserError(
            f"stages.{missing[0]}.steps is 0, but {wanted[-1]} needs that stage; give it steps, or a run that has "
            "trained it as --config.stages.start_from=DIR"
        )
    _check_trained(folder, missing)
    receiver = tf.Module()
    for stage in missing:
        setattr(receiver, _PARTS[stage], getattr(model, _PARTS[stage]))
    transfer.take(folder, "stages.start_from", receiver, f"{' and '.join(missing)} as configured here")


def _check_trained(folder: str, stages: list) -> None:
    """Refuses a run that has not come as far as the stages needed."""
    other, done = run_folder.load_config(folder), checkpoints.saved_step(f"{folder}/checkpoints")
    if "stages" not in other or not done:
        raise UserError(f"stages.start_from is {folder}, which holds no trained run in stages")
    end = 0
    for stage in STAGES:
        steps = int(other.stages[stage].steps) if stage in other.stages else 0
        end += steps
        if stage in stages and (done < end or not (steps or other.stages.start_from)):
            raise UserError(f"stages.start_from is {folder}, whose stage {stage} is not trained (step {done})")


def trained(config: ml_collections.ConfigDict, step: int) -> tuple:
    """The stages whose weights a checkpoint of `step` holds, trained or taken over; a JMVAE has "symbols"."""
    if config.model.family == "jmvae":
        return ("vision", "symbols")
    found, start = [], 0
    for stage in STAGES:
        steps = int(config.stages[stage].steps)
        if (steps and step > start) or (not steps and config.stages.start_from and start < step):
            found.append(stage)
        start += steps
    # What was taken over lies before what was trained; a stage of 0 steps behind that was left out.
    last = max((STAGES.index(stage) for stage in found if int(config.stages[stage].steps)), default=-1)
    return tuple(stage for stage in found if STAGES.index(stage) <= last)


def facts(config: ml_collections.ConfigDict, step: int) -> dict:
    """What an evaluator has to know of a run in stages: {"held_out": pairs of values, "stages": those trained}."""
    return {"held_out": held_out(config), "stages": trained(config, step)}
