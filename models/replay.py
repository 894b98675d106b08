"""Brain-inspired replay (van de Ven, Siegelmann and Tolias 2020, Nature Communications 11:4069).

One network classifies and imagines. A trunk of two hidden layers reads an image (or the features of a frozen
convolutional stack) and feeds a classifier and, beside it, the posterior of a latent code; feedback connections
decode the code to what the trunk was shown. While it learns new classes it rehearses the old ones on what a
copy of itself, taken before, imagines and labels.

The paper's five components are each one setting:

- feedback: classifier and generator share the trunk ("replay through feedback"). Off, the generator is a
  variational autoencoder with a trunk of its own: standard generative replay.
- conditional: the latent prior has modes of its own for each class, so that classes can be imagined on purpose.
- gating: in the decoder a random, fixed part of the units is closed for each class (or task).
- internal: what is imagined and rehearsed are the features, not the pixels; the convolutions are frozen.
- distillation: rehearsed rows carry the copy's probabilities, not its best guess. This one is a matter of
  training and stands in training/continual.

Beside the trunk may stand a discriminant on random features, which no gradient trains and which therefore forgets
nothing; the method `guided` sets it. Then the network answers with the sum of both logits.

Objective for a row with label y, in the paper's normalization (P image pixels, means over units):

    L = reconstruction(x, x_hat) + 1/P [log q(z | x) - log p(z | y)] + cross-entropy(y, logits)

The classifier reads the trunk's last hidden layer, never z, so classifying is deterministic.
"""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..layers import (
    ClassAutoencoders,
    ClassConditionalPrior,
    ContextGate,
    ConvolutionalFeatures,
    FourierFeatures,
    GaussianPosterior,
    Noise,
    TransposedFeatures,
    diagonal_gaussian,
    standard_gaussian,
)
from . import attempts
from .contract import Capability, Family, Moment
from .limits import CODES, PIXELS
from .network import Network, in_float32, takes_images
from .settings import derived, not_negative
from .signature import Signature

# A logit that no softmax gives weight: finite, so that 0 times it is 0.
_MASKED = -1e9
# Further from the prior no code has been.
_HOTTEST = 100.0


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    """Sizes and switches of the network.

    Attributes:
      image_shape: (height, width, channels).
      classes: output units.
      tasks: number of tasks; they key the gates of `gate_by="task"` and of XdG.
      blocks: 1, or `tasks` where each task has its own block of output units (task-incremental).
      domains: 1, or `tasks` where tasks share their classes (domain-incremental): in each the discriminant has a mean
        for every class.
      convolutions: filters of the convolutional stack, empty for none.
      mean, deviation: per channel, for standardized inputs; empty for pixels as they are.
      fourier: random Fourier features of pixels or convolutional features that the trunk reads instead of them, or 0.
      fourier_deviation: typical spread of what such features read, the unit of their distances (of digits 0.31); 0 is
        measured on the first task's images by a method that knows how to.
      classifier: "dense" reads the trunk's last hidden layer; "autoencoders" is a variational autoencoder a class, of
        `hidden` and `latents`, that finds an image more or less likely; there is no trunk then.
      importance_samples: draws that such a likelihood is estimated from.
      hidden: widths of the trunk, and backwards of the decoder; () is no trunk, for methods that train none.
      latents: units of z.
      generator: False leaves a classifier, for the methods that do not imagine.
      feedback, conditional, internal: components, see above.
      modes: Gaussians a class in the prior.
      temperature: of the prior where images are asked for: its deviations times this; 1 is the prior, more is more
        varied and less often right.
      attempts: draws of each image that is asked of a class. The first is kept in which the network itself sees the
        class; of none, that in which it is likeliest. Not where each task has units or gates of its own.
      gating: share of decoder units closed in a context; 0 is no gating.
      gate_by: "class" or "task".
      reconstruction: "bernoulli" (cross-entropy of pixels in [0, 1]) or "squared" (half the squared error).
      latent_units: P above; 0 takes the number of image pixels, as the paper does also for features.
      generative_weight: of reconstruction and latent terms against classification; 1 in the paper.
      task_gating: XdG: share of trunk units closed in a task; 0 is off.
      discriminant: random Fourier features, as above, of a discriminant beside the trunk, or 0 for none.
      discriminant_weight: of its logits in what the network answers; the classifier's count 1.
    """

    image_shape: tuple = derived((28, 28, 1))
    classes: int = derived(10)
    tasks: int = derived(5)
    blocks: int = derived(1)
    domains: int = derived(1)
    convolutions: tuple = ()
    mean: tuple = ()
    deviation: tuple = ()
    fourier: int = 0
    fourier_deviation: float = 0.3
    classifier: str = "dense"
    importance_samples: int = 10
    hidden: tuple = (400, 400)
    latents: int = 100
    generator: bool = True
    feedback: bool = True
    conditional: bool = True
    modes: int = 1
    temperature: float = 1.0
    attempts: int = 1
    gating: float = 0.8
    gate_by: str = "class"
    internal: bool = False
    reconstruction: str = "bernoulli"
    latent_units: int = 0
    generative_weight: float = 1.0
    task_gating: float = 0.0
    discriminant: int = 0
    discriminant_weight: float = 1.0

    @property
    def needs_task(self) -> bool:
        """Whether each task has units or gates of its own, so that whoever asks says which task it is."""
        return self.blocks > 1 or self.task_gating > 0.0

    def __post_init__(self):
        not_negative(self, "generative_weight", "fourier_deviation", "importance_samples", "latent_units")
        if self.discriminant < 0 or self.discriminant_weight < 0.0:
            raise ValueError(
                f"discriminant={self.discriminant}, discriminant_weight={self.discriminant_weight:g}; "
                "expected 0 or more of each"
            )
        attempts.check(self.attempts)
        if not 0.0 < self.temperature <= _HOTTEST:
            raise ValueError(f"temperature is {self.temperature:g}; expected more than 0, and at most {_HOTTEST:g}")
        if self.gate_by not in ("class", "task"):
            raise ValueError(f"gate_by is '{self.gate_by}'; expected 'class' or 'task'")
        if self.classifier not in ("dense", "autoencoders"):
            raise ValueError(f"classifier is '{self.classifier}'; expected 'dense' or 'autoencoders'")
        if self.classifier == "autoencoders" and (self.generator or self.task_gating):
            raise ValueError(
                "classifier 'autoencoders' has no trunk to gate or decode: set generator=False, task_gating=0"
            )
        if self.reconstruction not in ("bernoulli", "squared"):
            raise ValueError(f"reconstruction is '{self.reconstruction}'; expected 'bernoulli' or 'squared'")
        if (self.generator and not self.hidden) or self.latents < 1 or self.classes < 2:
            raise ValueError(
                f"hidden={tuple(self.hidden)}, latents={self.latents}, classes={self.classes}; expected at least one "
                "latent, two classes and, with a generator, one hidden layer"
            )
        if self.internal and not self.convolutions:
            raise ValueError("internal replay needs a convolutional stack: set convolutions, or internal=False")
        if self.reconstruction == "bernoulli" and (self.internal or self.mean):
            raise ValueError("features and standardized pixels are not in [0, 1]: set reconstruction='squared'")
        if self.blocks not in (1, self.tasks) or self.classes % self.blocks:
            raise ValueError(
                f"blocks={self.blocks}; expected 1, or tasks={self.tasks} that divide classes={self.classes}"
            )


@keras.saving.register_keras_serializable("reverie")
class Replay(Network):
    """Classifier and generator in one.

    Images are float32 [batch, height, width, channels] in [0, 1]. `represent` turns them into what is imagined
    and rehearsed, float32 [batch, units]: features where replay is internal, else (standardized) pixels. All of
    training works on that.

    Example:
      >>> model = Replay(ReplayConfig(hidden=(8, 8), latents=3))
      >>> model.encode(np.zeros([2, 28, 28, 1], np.float32))["features"].shape
      TensorShape([2, 8])
    """

    features: Any  # `ConvolutionalFeatures`, or None.
    fourier: Any  # `FourierFeatures`, or None.
    discriminant_features: Any  # `FourierFeatures`, or None.
    discriminant: Any  # A dense layer that only a method sets, or None.
    classifier: Any  # A dense layer, or `ClassAutoencoders`.

    settings = ReplayConfig

    def __init__(self, config: ReplayConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.features, self.feature_shape = None, tuple(config.image_shape)
        if config.convolutions:
            self.features = ConvolutionalFeatures(config.convolutions, name="features")
            self.features.build((None, *config.image_shape))
            self.features.trainable = not config.internal
            self.feature_shape = self.features.compute_output_shape((None, *config.image_shape))[1:]
        units = math.prod(self.feature_shape)
        self.fourier, read = None, units
        if config.fourier:
            spread = config.fourier_deviation or 1.0
            self.fourier = FourierFeatures(config.fourier, spread, name="fourier", dtype="float32")
            self.fourier.build((None, units))
            read = config.fourier
        if config.classifier == "autoencoders":
            sizes = (config.classes, config.hidden, config.latents, config.reconstruction, config.importance_samples)
            self.classifier = ClassAutoencoders(*sizes, name="classifier", dtype="float32")
            self.classifier.build((None, read))
        else:
            self._attach(_stack(read, config.hidden, "trunk"))
            self.classifier = _dense((read, *config.hidden)[-1], config.classes, "classifier")
        if config.task_gating:
            self._attach(
                ContextGate(
                    config.tasks, width, config.task_gating, exact=True, name=f"task_gate_{number + 1}", dtype="float32"
                )
                for number, width in enumerate(config.hidden)
            )
        self.discriminant_features = self.discriminant = None
        if config.discriminant:
            spread = config.fourier_deviation or 1.0
            self.discriminant_features = FourierFeatures(
                config.discriminant, spread, name="discriminant_features", dtype="float32"
            )
            self.discriminant_features.build((None, units))
            options: dict[str, Any] = {"kernel_initializer": "zeros", "trainable": False, "dtype": "float32"}
            self.discriminant = keras.layers.Dense(config.domains * config.classes, **options, name="discriminant")
            self.discriminant.build((None, config.discriminant))
        if config.generator:
            self._build_generator(config, units)
        # Which classes and tasks have been met is part of what the network knows.
        state = {"initializer": "zeros", "trainable": False, "aggregation": "only_first_replica"}
        self.seen = self.add_weight(shape=(config.classes,), name="seen", **state)
        self.tasks_seen = self.add_weight(shape=(), name="tasks_seen", **state)
        self.built = True

    def _build_generator(self, config: ReplayConfig, units: int) -> None:
        backwards = tuple(reversed(config.hidden))
        # Without feedback the generator has its own trunk.
        if not config.feedback:
            self._attach(_stack(units, config.hidden, "encoder"))
            if self.features is not None and not config.internal:
                self.encoder_features = ConvolutionalFeatures(config.convolutions, name="encoder_features")
                self.encoder_features.build((None, *config.image_shape))
        start: dict[str, Any] = dict.fromkeys(("kernel_initializer", "bias_initializer"), _bound(config.hidden[-1]))
        self.posterior = GaussianPosterior(
            config.latents, log_variance_bias=False, name="posterior", dtype="float32", **start
        )
        self.posterior.build((None, config.hidden[-1]))
        if config.conditional:
            self.prior = ClassConditionalPrior(
                config.classes, config.latents, config.modes, name="prior", dtype="float32"
            )
        self._attach(_stack(config.latents, backwards, "decoder"))
        self.output_layer = _dense(backwards[-1], units, "output")
        contexts = config.classes if config.gate_by == "class" else config.tasks
        if config.gating:
            self._attach(
                ContextGate(contexts, width, config.gating, name=f"gate_{number + 1}", dtype="float32")
                for number, width in enumerate(backwards)
            )
        self.transposed = None
        if self.features is not None and not config.internal:
            self.transposed = TransposedFeatures(config.convolutions, config.image_shape[-1], name="transposed")
            self.transposed.build((None, *self.feature_shape))

    def _attach(self, layers) -> None:
        """Makes each layer an attribute of its name: TensorFlow's checkpoints pass over Keras 3 layers in lists."""
        for layer in layers:
            setattr(self, layer.name, layer)

    def _attached(self, name: str) -> list:
        count = len(self.config.hidden)
        return [layer for k in range(count) if (layer := getattr(self, f"{name}_{k + 1}", None)) is not None]

    trunk = property(lambda self: self._attached("trunk"), doc="Hidden layers of the classifier, first to last.")
    encoder = property(lambda self: self._attached("encoder"), doc="The generator's own trunk; empty with feedback.")
    decoder = property(lambda self: self._attached("decoder"), doc="Feedback connections, from z downwards.")
    gates = property(lambda self: self._attached("gate"), doc="Context gates of the decoder; empty without gating.")
    task_gates = property(lambda self: self._attached("task_gate"), doc="XdG's gates of the trunk; empty without.")

    # ---- perceiving

    @property
    def represented_shape(self) -> tuple:
        """(height, width, channels) of what is imagined and rehearsed."""
        return self.feature_shape if self.config.internal else tuple(self.config.image_shape)

    @takes_images
    def represent(self, images):
        """What is imagined and rehearsed: features where replay is internal, else pixels; float32 [n, units]."""
        if self.config.mean:
            images = (images - tf.constant(self.config.mean)) / tf.constant(self.config.deviation)
        if self.config.internal:
            images = in_float32(self.features(images))
        return tf.reshape(images, [-1, math.prod(self.represented_shape)])

    def activations(self, inputs, task=None, training: bool = False) -> tuple:
        """The trunk, layer by layer.

        Args:
          inputs: float32 [n, units], from `represent`.
          task: int32 [n], the task of each row; needed where `task_gating` closes units (XdG).
          training: for the batch normalization of a convolutional stack that is not frozen.

        Returns:
          (last hidden layer [n, hidden[-1]], or without a trunk what it would read; [(layer input, product with the
          kernel, pre-activation), ...]).
          XdG's mask closes the product and leaves the bias, as in the authors' code.
        """
        hidden, records = self._convolved(self.features, inputs, training), []
        if self.fourier is not None:
            hidden = self.fourier(hidden)
        gates = self.task_gates
        for number, layer in enumerate(self.trunk):
            product = _product(hidden, layer)
            before = (gates[number](product, task) if gates else product) + layer.bias
            records.append((hidden, product, before))
            hidden = tf.nn.relu(before)
        return hidden, records

    def _convolved(self, features, inputs, training: bool):
        """Pixels through a convolutional stack, where there is one and it was not passed by `represent`."""
        if features is None or self.config.internal:
            return inputs
        maps = in_float32(features(tf.reshape(inputs, [-1, *self.config.image_shape]), training=training))
        return tf.reshape(maps, [-1, math.prod(self.feature_shape)])

    @property
    def classifying_variables(self) -> list:
        """What classification runs through and training changes: convolutions, trunk, classifier."""
        layers = [self.features, *self.trunk, self.classifier]
        return [variable for layer in layers if layer is not None for variable in layer.trainable_variables]

    def logits(self, hidden):
        """float32 [n, classes], from the trunk's last hidden layer."""
        if self.config.classifier == "autoencoders":
            return self.classifier(hidden)
        return _product(hidden, self.classifier) + self.classifier.bias

    def answers(self, inputs, hidden):
        """What the network answers: its classifier's logits and, by its weight, those of the discriminant beside it.

        A class that looks different from domain to domain is a mixture there, of one Gaussian a domain.

        Args:
          inputs: float32 [n, units], from `represent`.
          hidden: the trunk's reading of them.

        Returns:
          float32 [n, classes].
        """
        logits = self.logits(hidden)
        if self.discriminant is None:
            return logits
        scores = self.discriminant(self.discriminant_features(inputs))
        if self.config.domains > 1:
            scores = tf.reduce_logsumexp(tf.reshape(scores, [-1, self.config.domains, self.config.classes]), axis=1)
        return logits + self.config.discriminant_weight * scores

    def log_probabilities(self, logits, active, temperature: float = 1.0):
        """Log-softmax over the active classes, block by block.

        Args:
          logits: float32 [n, classes].
          active: float32 [classes], 1 where a class takes part.
          temperature: divides the logits.

        Returns:
          float32 [n, blocks, classes / blocks]; hugely negative where a class is not active.
        """
        masked = tf.where(active > 0.0, logits / temperature, _MASKED)
        return tf.nn.log_softmax(
            tf.reshape(masked, [-1, self.config.blocks, self.config.classes // self.config.blocks])
        )

    # ---- imagining

    def posterior_of(self, inputs, hidden, training: bool = False) -> tuple:
        """(mean, log_variance) of z, both [n, latents]; `hidden` is the trunk's reading of `inputs`."""
        if not self.config.feedback:
            hidden = self._convolved(getattr(self, "encoder_features", None), inputs, training)
            for layer in self.encoder:
                hidden = tf.nn.relu(_product(hidden, layer) + layer.bias)
        return self.posterior(hidden)

    def decode_logits(self, z, context=None, training: bool = False):
        """Feedback connections from z down to the units of `represent`, before any last non-linearity.

        Args:
          z: float32 [n, latents].
          context: int32 [n] or float32 [n, contexts], which gates are open; None where nothing is gated.
          training: for the batch normalization of pixel-level replay.

        Returns:
          float32 [n, units of what is imagined].
        """
        hidden = z
        for number, layer in enumerate(self.decoder):
            hidden = _product(hidden, layer) + layer.bias
            hidden = tf.nn.relu(self.gates[number](hidden, context) if self.gates else hidden)
        decoded = _product(hidden, self.output_layer) + self.output_layer.bias
        if self.transposed is None:
            return decoded
        images = in_float32(self.transposed(tf.reshape(decoded, [-1, *self.feature_shape]), training=training))
        return tf.reshape(images, [-1, math.prod(self.config.image_shape)])

    def imagine(self, z, context=None):
        """Imagined representations: probabilities of pixels, standardized pixels or features."""
        decoded = self.decode_logits(z, context)
        return tf.sigmoid(decoded) if self.config.reconstruction == "bernoulli" else decoded

    def to_images(self, imagined):
        """Imagined rows as images in [0, 1], or as feature maps where replay is internal."""
        images = tf.reshape(imagined, [-1, *self.represented_shape])
        if self.config.internal or not self.config.mean:
            return images
        return images * tf.constant(self.config.deviation) + tf.constant(self.config.mean)

    # ---- the objective

    def terms(self, inputs, context, label, soft, noise: Noise, task=None, training: bool = True) -> dict:
        """Logits and generative terms of rows, known ones first and rehearsed ones after them.

        Args:
          inputs: float32 [n, units], from `represent`.
          context: float32 [n, contexts], for the gates.
          label: int32 [b], classes of the first b rows, for the prior.
          soft: float32 [n - b, classes], distributions over the classes of the rest, or None.
          noise: draws z.
          task: int32 [n], for XdG.

        Returns:
          {"logits": [n, classes]} and, with a generator, {"reconstruction": [n], "latent": [n]}, in nats a unit.
        """
        hidden, _ = self.activations(inputs, task, training)
        result = {"logits": self.logits(hidden)}
        if not self.config.generator:
            return result
        mean, log_variance = self.posterior_of(inputs, hidden, training)
        z = mean + tf.exp(0.5 * log_variance) * _normal(noise, tf.shape(mean), tf.shape(label)[0])
        decoded = self.decode_logits(z, context, training)
        result["reconstruction"] = self.reconstruction_error(inputs, decoded)
        units = self.config.latent_units or math.prod(self.config.image_shape)
        result["latent"] = self.divergence(mean, log_variance, z, label, soft) / units
        return result

    def reconstruction_error(self, targets, decoded):
        """Mean over units of the pixel cross-entropy or of half the squared error: float32 [n]."""
        if self.config.reconstruction == "bernoulli":
            errors = tf.nn.sigmoid_cross_entropy_with_logits(targets, decoded)
        else:
            errors = 0.5 * tf.square(targets - decoded)
        return tf.reduce_mean(errors, axis=-1)

    def divergence(self, mean, log_variance, z, label, soft=None):
        """KL of the posterior from the prior, nats: one-sample estimate with class-conditional modes, else exact.

        Returns:
          float32 [n].
        """
        posterior = diagonal_gaussian(mean, log_variance)
        if not self.config.conditional:
            return posterior.kl_divergence(standard_gaussian(self.config.latents))
        if soft is None:
            return posterior.log_prob(z) - self.prior.log_prob(z, label)
        known = tf.shape(label)[0]
        prior = [self.prior.log_prob(z[:known], label), self.prior.log_prob(z[known:], soft)]
        return posterior.log_prob(z) - tf.concat(prior, axis=0)

    def losses(self, batch: dict, noise: Noise | None = None, training: bool = True) -> dict:
        """The objective on labeled rows alone, all classes active, the first task's gates: no replay.

        Args:
          batch: "image" float32 [b, h, w, c], "label" int32 [b].
          noise: draws z.

        Returns:
          float32 [b] each: "total", "classification" and, with a generator, "reconstruction" and "latent".
        """
        label = batch["label"]
        inputs, task = self.represent(batch["image"]), tf.zeros_like(label)
        terms = self.terms(inputs, self.context(label, task), label, None, noise or Noise(0), task, training)
        logp = tf.reshape(
            self.log_probabilities(terms.pop("logits"), tf.ones([self.config.classes])), [-1, self.config.classes]
        )
        terms["classification"] = -tf.gather(logp, label, batch_dims=1)
        return {"total": self.weighted(terms), **terms}

    def weighted(self, terms: dict):
        """The sum of "classification" and, by `generative_weight`, the other terms."""
        weights = {name: 1.0 if name == "classification" else self.config.generative_weight for name in terms}
        return tf.add_n([weights[name] * value for name, value in terms.items()])

    def context(self, label, task):
        """One-hot gate contexts of rows with known class and task: float32 [n, contexts]."""
        if self.config.gate_by == "task":
            return tf.one_hot(task, self.config.tasks)
        return tf.one_hot(label, self.config.classes)

    # ---- the protocol

    def classify(self, images, task=None) -> dict:
        """The most probable of the classes met so far, and all probabilities.

        Args:
          images: float32 [n, h, w, c].
          task: int32 scalar, from 0: which task the images belong to. Only for task-incremental models.

        Returns:
          {"label": int32 [n], "probabilities": float32 [n, classes]}, 0 for classes that take no part.
        """
        return self.classify_inputs(self.represent(images), task)

    def classify_inputs(self, inputs, task=None) -> dict:
        """`classify` of what `represent` returned."""
        rows = None if task is None else tf.fill([tf.shape(inputs)[0]], task)
        hidden, _ = self.activations(inputs, rows)
        active = tf.convert_to_tensor(self.seen)
        if self.config.blocks > 1:
            active = tf.repeat(tf.one_hot(task, self.config.blocks), self.config.classes // self.config.blocks)
        logits = self.answers(inputs, hidden)
        # A finite floor close to the logits in use, not _MASKED: int8 files spread 256 steps over this range.
        floor = tf.reduce_min(logits, axis=-1, keepdims=True) - 30.0
        masked = tf.where(active > 0.0, logits, floor)
        probabilities = tf.nn.softmax(masked) * tf.cast(active > 0.0, tf.float32)
        return {"label": tf.argmax(masked, axis=-1, output_type=tf.int32), "probabilities": probabilities}

    def encode(self, images) -> dict:
        """{"features": last hidden layer}, with a generator also "mean" and "log_variance" of z.  XdG: as in task 0."""
        inputs = self.represent(images)
        hidden, _ = self.activations(inputs, tf.zeros([tf.shape(inputs)[0]], tf.int32))
        result = {"features": hidden}
        if self.config.generator:
            mean, log_variance = self.posterior_of(inputs, hidden)
            result |= {"mean": mean, "log_variance": log_variance}
        return result

    def reconstruct(self, images) -> dict:
        """{"images"}: from the mean of z; the gates are opened by what the classifier makes of the image."""
        inputs = self.represent(images)
        hidden, _ = self.activations(inputs, tf.zeros([tf.shape(inputs)[0]], tf.int32))
        mean, _ = self.posterior_of(inputs, hidden)
        if self.config.gate_by == "task":
            tasks = tf.sequence_mask(tf.cast(self.tasks_seen, tf.int32), self.config.tasks, tf.float32)
            context = tf.repeat((tasks / tf.maximum(tf.reduce_sum(tasks), 1.0))[None], tf.shape(mean)[0], axis=0)
        else:
            context = tf.nn.softmax(tf.where(self.seen > 0.0, self.answers(inputs, hidden), _MASKED))
        return {"images": self.to_images(self.imagine(mean, context))}

    def generate(self, count, seed, class_ids) -> dict:
        """Imagines.

        Args:
          count: int32 scalar.
          seed: int32 [2]; the same seed gives the same images.
          class_ids: int32 [count] or [1]; -1 draws among the classes met so far. Without the conditional
            prior nothing can be asked for: only -1 is admitted.

        Returns:
          {"images": float32 [count, h, w, c] (feature maps where replay is internal), "label": int32 [count],
          the class imagined, or without the conditional prior the one that the classifier sees}.
        """
        class_key, latent_key, gate_key = tf.unstack(tf.random.split(seed, 3, alg="philox"))
        met = tf.cast(tf.reshape(tf.where(self.seen > 0.0), [-1]), tf.int32)
        drawn = tf.random.stateless_uniform([count], class_key, 0, tf.maximum(tf.size(met), 1), tf.int32, alg="philox")
        label = tf.where(class_ids >= 0, tf.broadcast_to(class_ids, [count]), tf.gather(met, drawn))
        tried = self.config.attempts if self.config.conditional and not self.config.needs_task else 1
        if self.config.conditional:
            z = self.prior.sample(tf.repeat(label, tried), latent_key, self.config.temperature)
        else:
            normal = tf.random.stateless_normal([count, self.config.latents], latent_key, alg="philox")
            z = self.config.temperature * normal
        tasks = tf.maximum(tf.cast(self.tasks_seen, tf.int32), 1)
        task = tf.random.stateless_uniform([count], gate_key, 0, tasks, tf.int32, alg="philox")
        codes = tf.unstack(tf.reshape(z, [-1, tried, z.shape[-1]]), axis=1)
        context = self.context(label, task)
        imagined = attempts.best_of(
            tried, lambda number: self.imagine(codes[number], context), lambda shown: self._fitting(shown, label)
        )
        if not self.config.conditional and self.config.blocks == 1:
            label = self.classify_inputs(imagined, task=0)["label"]
        return {"images": self.to_images(imagined), "label": label}

    def _fitting(self, imagined, asked):
        """How well rows show the class that was asked, see `attempts.best_of`: else by its probability."""
        answer = self.classify_inputs(imagined)
        likely = tf.gather(answer["probabilities"], asked, batch_dims=1)
        return tf.where(answer["label"] == asked, tf.constant(attempts.FITS, likely.dtype), likely)

    def signatures(self) -> dict:
        """Endpoints for export; see `Signature`."""
        return signatures(self)

    def page_functions(self) -> dict:
        """What a page runs: what it makes of pictures and, where it imagines pictures, pictures of codes."""
        return page_functions(self)

    def moment(self) -> Moment | None:
        """What imagines now: prior and decoder, and what has been met. Gates never change, and are left out."""
        if not self.config.generator or self.config.internal:
            return None
        layers = [layer for layer in (*self.decoder, self.output_layer, self.transposed) if layer is not None]
        # By place: Keras numbers the names of layers in layers from process to process.
        weights = {f"{layer.name}/{k}": variable for layer in layers for k, variable in enumerate(layer.variables)}
        prior = (
            {"means": self.prior.means, "log_variances": self.prior.log_variances} if self.config.conditional else {}
        )
        return Moment("imagine", {**weights, **prior, "seen": self.seen, "tasks_seen": self.tasks_seen})

    def call(self, images):
        return self.encode(images)["features"]


def _bound(inputs: int):
    """Uniform in +-1/sqrt(inputs), for weights and biases alike: what the paper's networks start from."""
    limit = 1.0 / math.sqrt(inputs)
    return keras.initializers.RandomUniform(-limit, limit)


def _product(hidden, layer: keras.layers.Dense):
    """Of activations and a layer's kernel, in the type that the layer computes in; float32."""
    kind = layer.compute_dtype
    return in_float32(tf.matmul(tf.cast(hidden, kind), tf.cast(layer.kernel, kind)))


def _dense(inputs: int, units: int, name: str) -> keras.layers.Dense:
    layer = keras.layers.Dense(units, kernel_initializer=_bound(inputs), bias_initializer=_bound(inputs), name=name)
    layer.build((None, inputs))
    return layer


def _stack(inputs: int, widths, name: str) -> list:
    sizes = (inputs, *widths)
    return [_dense(size, width, f"{name}_{k + 1}") for k, (size, width) in enumerate(zip(sizes, widths, strict=False))]


def _normal(noise: Noise, shape: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers [n, latents] of rows of which the first `known` are current and the rest rehearsed."""
    if noise.parts == 1:
        return noise.normal("latent", shape)
    # Among all rows of a step the current ones of all parts come first.
    drawn = noise.whole.normal("latent", [noise.parts * shape[0], shape[1]])
    groups = drawn[: noise.parts * known], drawn[noise.parts * known :]
    return tf.concat([noise.rows(group) for group in groups], axis=0)


def signatures(model) -> dict[str, Signature]:
    """Endpoint -> `Signature` of a Replay model; without a generator, encode and classify only."""
    config = model.config
    images = {"images": tf.TensorSpec([None, *config.image_shape], tf.float32, name="images")}
    with_task = config.needs_task
    pixels = {"images": PIXELS}
    asked, ranges = dict(images), dict(pixels)
    if with_task:
        asked["task"], ranges["task"] = tf.TensorSpec([], tf.int32, name="task"), (0, config.tasks - 1)

    def as_images(x):
        return {"images": x}

    def as_asked(x):
        return {"images": x, "task": np.int32(0)} if with_task else {"images": x}

    result = {
        "encode": Signature(
            model.encode,
            images,
            as_images,
            pixels,
            lite=True,
            meaning="images to the features that the classifier sees",
        ),
        "classify": Signature(
            model.classify,
            asked,
            as_asked,
            ranges,
            # A likelihood is a loop over draws, which int8 files cannot hold.
            lite=not with_task and config.classifier == "dense",
            meaning="images to the likeliest of the classes met so far and all probabilities",
        ),
    }
    if not config.generator:
        return result
    request = {
        "count": tf.TensorSpec([], tf.int32, name="count"),
        "seed": tf.TensorSpec([2], tf.int32, name="seed"),
        "class_ids": tf.TensorSpec([None], tf.int32, name="class_ids"),
    }
    greatest = config.classes - 1 if config.conditional else -1

    def as_request(x):
        return {
            "count": np.int32(len(x)),
            "seed": np.array([1, 2], np.int32),
            "class_ids": np.full([len(x)], -1, np.int32),
        }

    result["generate"] = Signature(
        model.generate,
        request,
        as_request,
        {"class_ids": (-1, greatest)},
        meaning="imagines images of classes, -1 draws one; the same seed gives the same images",
    )
    result["reconstruct"] = Signature(
        model.reconstruct, images, as_images, pixels, meaning="images to the images decoded from their latents"
    )
    return result


def page_functions(model) -> dict[str, Signature]:
    """Functions of a page: "perceive", pictures to class probabilities and latents, and "imagine", latents to pictures.

    "imagine" takes classes too where they open gates. Where each task has units of its own nothing is classified:
    nobody says which task it is.
    """
    config = model.config
    known = not config.needs_task

    def perceive(images):
        probabilities = {"probabilities": model.classify(images)["probabilities"]} if known else {}
        encoded = model.encode(images)
        return probabilities | ({"mean": encoded["mean"]} if config.generator else {"features": encoded["features"]})

    def imagine(mean, probabilities=None):
        context = None
        if probabilities is not None:
            context = probabilities / tf.maximum(tf.reduce_sum(probabilities, axis=-1, keepdims=True), 1e-6)
        elif model.gates:
            tasks = tf.sequence_mask(tf.cast(model.tasks_seen, tf.int32), config.tasks, tf.float32)
            tasks = tasks / tf.maximum(tf.reduce_sum(tasks), 1.0)
            context = tf.tile(tasks[None], [tf.shape(mean)[0], 1])
        return {"images": model.to_images(model.imagine(mean, context))}

    images = {"images": tf.TensorSpec([None, *config.image_shape], tf.float32, name="images")}
    result = {"perceive": Signature(perceive, images, lambda x: {"images": x}, {"images": PIXELS}, lite=True)}
    if not config.generator or config.internal:
        return result
    code = {"mean": tf.TensorSpec([None, config.latents], tf.float32, name="mean")}
    by_class = bool(model.gates) and config.gate_by == "class"
    if by_class:
        code["probabilities"] = tf.TensorSpec([None, config.classes], tf.float32, name="probabilities")

    def as_code(x):
        made = {name: value.numpy() for name, value in perceive(tf.constant(x)).items()}
        classes = np.eye(config.classes, dtype=np.float32)[np.arange(len(x)) % config.classes]
        return {"mean": made["mean"]} | ({"probabilities": classes} if by_class else {})

    return result | {"imagine": Signature(imagine, code, as_code, {"mean": CODES}, lite=True)}


def build(settings: ReplayConfig) -> Replay:
    """The model of its settings, with fresh weights."""
    return Replay(settings, name="replay")


def _whole_batch(settings: ReplayConfig) -> str:
    if settings.convolutions and not settings.internal:
        return "convolutions that are trained normalize by all rows of a step (model.internal freezes them)"
    return ""


FAMILY = Family(
    name="replay",
    settings=ReplayConfig,
    build=build,
    summary="one network classifies and imagines; it keeps old classes by rehearsing what it imagines of them",
    paper="van de Ven, Siegelmann and Tolias 2020, doi 10.1038/s41467-020-17866-2",
    evaluation="reverie.evaluation.replay",
    kinds=("stream",),
    capabilities=frozenset({Capability.EXPLORE, Capability.MOMENTS}),
    settable=frozenset({"temperature", "attempts"}),
    whole_batch=_whole_batch,
)
