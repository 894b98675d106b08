"""From a config to a running experiment: data, model, phases, and back from a run folder to a model."""

import dataclasses
import math

import keras
import ml_collections
import tensorflow as tf

from .. import models, pipelines
from ..errors import UserError
from ..pipelines import streams
from ..pipelines.source import for_heads
from . import checkpoints, continual, run_folder, stages, transfer
from .loop import Hooks, LoopSettings, Phase

# How many training images `calibrate` looks at.
_CALIBRATION_IMAGES = 5000
# Likewise `prepare`.
_PREPARATION_IMAGES = 1000


def read_images(config: ml_collections.ConfigDict, *splits: str) -> dict:
    """The config's data, checked against the model's shape and heads.

    Args:
      config: of the run.
      *splits: of "train", "validation" and "test"; "validation" may turn out not to exist.

    Returns:
      split -> `pipelines.Images`.

    Raises:
      UserError: it cannot be read, has no such split, or does not fit the model.
    """
    sets = pipelines.read_splits(splits=splits, **config.data.to_dict())
    shape = tuple(config.model.image_shape if "image_shape" in config.model else config.data.image_shape)
    for split in splits:
        if split not in sets and split != "validation":
            raise UserError(f"{config.data.source}: has no {split} images; set data.{split}_fraction to hold some out")
    for images in sets.values():
        if images.shape != shape:
            raise UserError(
                f"{images.name}: images are {images.shape}, but model.image_shape is {shape}; "
                "set --config.data.image_shape and --config.model.image_shape alike"
            )
    if "heads" not in config.model:
        return sets
    heads = models.heads(config.model)
    return {split: for_heads(images, heads) for split, images in sets.items()}


def read_streams(config: ml_collections.ConfigDict, *splits: str) -> dict:
    """The config's data as streams of tasks; the training images are read in any case, they fix the classes.

    Args:
      config: of a run with a `stream` section.
      *splits: as in `read_images`.

    Returns:
      split -> `pipelines.Stream`.

    Raises:
      UserError: as `read_images`; labels missing, more tasks than classes.
    """
    sets = read_images(config, *dict.fromkeys(("train", *splits)))
    return streams.build(continual.stream_settings(config), int(config.seed), sets)


def total_steps(config: ml_collections.ConfigDict, examples: int) -> int:
    """`train.steps`, or where that is 0 the steps of `train.epochs` passes over the data.

    Raises:
      UserError: neither is positive, or both are.
    """
    steps, epochs, batch = config.train.steps, config.train.epochs, config.train.batch_size
    if (steps > 0) == (epochs > 0):
        raise UserError(f"train.steps is {steps} and train.epochs is {epochs}; set one of them, leave the other 0")
    return int(steps) if steps > 0 else math.ceil(epochs * examples / batch)


def build(config: ml_collections.ConfigDict, images: pipelines.Images, strategy: tf.distribute.Strategy) -> tuple:
    """(model, phases) of a config, made inside the strategy's scope.

    Raises:
      UserError: settings that make no model or no run.
    """
    with strategy.scope():
        model = models.build(config.model, config.seed)
    if "stages" in config:
        with strategy.scope():
            return model, stages.phases(config, model, images, strategy)
    batch_size, replicas = int(config.train.batch_size), strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        raise UserError(f"train.batch_size is {batch_size}; expected a positive multiple of {replicas} replica(s)")

    def stream(first_step, input_context):
        return pipelines.batches(
            images,
            batch_size,
            seed=config.seed + getattr(input_context, "seed_offset", 0),
            start_step=first_step,
            input_context=input_context,
            replicas=replicas,
        )

    def sample(most):
        return next(iter(pipelines.in_order(images, min(len(images), most))))["image"]

    calibration = sample(_CALIBRATION_IMAGES) if hasattr(model, "calibrate") else None
    parts = model.parts if config.model.get("memory_saving", False) else None
    if parts and config.train.ema_decay:
        raise UserError("memory_saving cannot keep a moving average of the weights; set train.ema_decay to 0")
    phase = Phase(
        name=config.model.family,
        steps=total_steps(config, len(images)),
        batch_size=batch_size,
        losses=model.losses,
        variables=model.trainable_variables,
        stream=stream,
        optimizer=config.optimizer.to_dict(),
        schedule=config.schedule.to_dict(),
        hooks=Hooks(
            begin=(lambda: model.prepare(sample(_PREPARATION_IMAGES))) if hasattr(model, "prepare") else None,
            calibrate=(lambda: model.calibrate(calibration)) if hasattr(model, "calibrate") else None,
        ),
        constraints=tuple(model.constraints()) if hasattr(model, "constraints") else (),
        parts=parts,
    )
    if "transfer" in config:
        with strategy.scope():
            return model, transfer.phases(config.transfer.to_dict(), model, phase)
    return model, [phase]


def loop_settings(config: ml_collections.ConfigDict) -> LoopSettings:
    """The `train` section's entries that steer the loop."""
    names = {field.name for field in dataclasses.fields(LoopSettings)} - {"seed"}
    return LoopSettings(seed=config.seed, **{name: config.train[name] for name in names})


def set_deterministic() -> None:
    """Makes TensorFlow's operations repeat bit for bit; call it before any of them is built."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()


def load(workdir) -> tuple:
    """(config, model with its trained weights, step) of a run folder.

    Raises:
      UserError: no run or no checkpoint there.
    """
    config = run_folder.load_config(workdir)
    model = models.build(continual.model_settings(config) if "stream" in config else config.model, config.seed)
    step = checkpoints.restore_weights(model, f"{workdir}/checkpoints", config.train.ema_decay > 0)
    return config, model, step
