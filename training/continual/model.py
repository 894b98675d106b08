"""What continual learning uses of a network: the contract of a model that learns a stream of tasks."""

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from ...layers import Noise


class ContinualModelConfig(Protocol):
    """The sizes and switches that are read; see `models.ReplayConfig`.

    Attributes:
      image_shape: (height, width, channels).
      tasks: number of tasks, contexts of gates that are keyed by task.
      convolutions: filters of the convolutional stack, empty for none.
      mean: per channel where inputs are standardized, else empty.
      latents: units of z.
      generator: whether it imagines.
      conditional: whether the prior has modes of its own for each class.
      gating: share of decoder units closed in a context.
      gate_by: "class" or "task".
      internal: whether features are rehearsed instead of pixels.
      task_gating: share of trunk units closed in a task.
      fourier_deviation: of what random Fourier features read, 0 where it is to be measured.
      modes: Gaussians a class in the prior.
    """

    image_shape: tuple
    tasks: int
    convolutions: tuple
    mean: tuple
    latents: int
    generator: bool
    conditional: bool
    gating: float
    gate_by: str
    internal: bool
    task_gating: float
    fourier_deviation: float
    modes: int


class ContinualModel(Protocol):
    """A classifier that learns a stream of tasks, as `models.replay.Replay` is one.

    Attributes:
      config: its sizes and switches.
      trainable: whether training changes it.
      features: its convolutional stack, or None.
      fourier: random Fourier features that the trunk or, without one, the classifier reads, or None.
      classifier: the last dense layer, with `kernel` and `bias`, or autoencoders, see `layers.ClassAutoencoders`.
      discriminant_features, discriminant: random Fourier features of what is rehearsed, and a dense layer on them that
        no gradient trains; None where nothing stands beside the trunk.
      task_gates: gates of the trunk that are keyed by task; empty without.
      seen: float32 [classes], 1 for the classes met so far.
      tasks_seen: float32 scalar, the number of tasks met.
      represented_shape: (height, width, channels) of what is rehearsed.
      weights, trainable_variables: of Keras.
      classifying_variables: what classification runs through and training changes.
    """

    config: ContinualModelConfig
    trainable: bool
    features: Any
    fourier: Any
    classifier: Any
    discriminant_features: Any
    discriminant: Any
    task_gates: list
    seen: Any
    tasks_seen: Any
    represented_shape: tuple
    weights: list
    trainable_variables: list
    classifying_variables: list

    def represent(self, images: tf.Tensor) -> tf.Tensor:
        """What is rehearsed, of images float32 [n, height, width, channels]: float32 [n, units]."""
        ...

    def activations(self, inputs: tf.Tensor, task: tf.Tensor | None = None, training: bool = False) -> tuple:
        """(last hidden layer [n, h], [(layer input, product with the kernel, pre-activation), ...])."""
        ...

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """float32 [n, classes] of the last hidden layer."""
        ...

    def answers(self, inputs: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """float32 [n, classes]: logits of all that classifies, of rows and their last hidden layer."""
        ...

    def log_probabilities(self, logits: tf.Tensor, active: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
        """float32 [n, blocks, classes / blocks]: log-softmax over the active classes, block by block."""
        ...

    def context(self, label: tf.Tensor, task: tf.Tensor) -> tf.Tensor:
        """float32 [n, contexts], the gates open for rows of known class and task."""
        ...

    def terms(
        self,
        inputs: tf.Tensor,
        context: tf.Tensor,
        label: tf.Tensor,
        soft: tf.Tensor | None,
        noise: Noise,
        task: tf.Tensor | None = None,
        training: bool = True,
    ) -> dict:
        """{"logits": [n, classes]} and generative terms [n] each, of known rows and rehearsed ones after them."""
        ...

    def weighted(self, terms: Mapping) -> tf.Tensor:
        """The weighted sum of the terms of the objective."""
        ...


def rows_of(model: ContinualModel, images: tf.Tensor) -> tf.Tensor:
    """What a step learns from, float32 [n, units], of a batch's images or of features that were cached for it."""
    return model.represent(images) if len(images.shape) > 2 else images  # Cached features are flat already.


class ImaginingModel(ContinualModel, Protocol):
    """A `ContinualModel` that also imagines what it has learned.

    Attributes:
      prior: of z where it has modes for each class, with `sample(label, key)`, `means` and `log_variances`.
    """

    prior: Any

    def posterior_of(self, inputs: tf.Tensor, hidden: tf.Tensor) -> tuple:
        """(mean, log_variance) of z, float32 [n, latents] each, of rows and their last hidden layer."""
        ...

    def imagine(self, z: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Imagined rows float32 [n, units] of latent codes z float32 [n, latents]."""
        ...
