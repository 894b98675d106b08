"""A deep sparse autoencoder of untied local filters (Le et al. 2012, arXiv 1112.6209, ICML).

Three stages of the same three steps. Simple cells: 8 linear filters at every position, each with weights of its own.
Complex cells: L2 pooling of each map over its neighborhood. Then local contrast normalization over all maps. What
the last stage gives are the neurons; one of more than a hundred thousand came to know faces.

Every stage learns to reconstruct its input x from its simple cells, while its complex cells are kept silent:

    || W2 W1' x - x ||^2 + lambda sum_j sqrt(eps + H_j (W1' x)^2)

H sums over a pooling window; W1 encodes, W2 decodes. All stages are trained together on the sum of their objectives
(no greedy layers). As in the paper the terms are sums, per image: the gradient of a weight that is used at one
position does not depend on the size of the image.

The objective alone can be cheated: W1 -> a W1, W2 -> W2 / a with a -> 0 leaves the reconstruction and silences the
sparsity. So the filters of W2 are brought to length one after every update, or W2 is W1 itself (`tied`).
"""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..layers import (
    L2Pooling2D,
    LocalContrastNormalization,
    LocallyConnected2D,
    LocallyConnected2DTranspose,
    Noise,
    Whitening,
)
from .contract import Capability, Family
from .limits import PIXELS
from .network import Network, in_float32, takes_images
from .signature import Signature

_BETWEEN = ("none", "stop_targets", "full")


@dataclasses.dataclass(frozen=True)
class SparseConfig:
    """Sizes and weights of the model.

    Attributes:
      image_shape: (height, width, channels).
      stages: how many times filtering, pooling and normalization.
      field: side of a filter's window in pixels (of its stage's input).
      maps: filters at every position.
      stride: of the filters.
      tile: positions so many apart share weights; 0 shares nothing.
      pool: side of the pooling window.
      contrast: side of the normalization's window; 0 leaves normalization out (the paper's control).
      sparsity: lambda.
      epsilon: eps, under the root.
      decoder: "untied", or "tied" to the encoder.
      initial_length: of the encoder's filters, on average. What an initial filter has in directions in which images
        have no energy is never unlearned; small initial filters carry little of it.
      unit_norm: brings the decoder's filters to length one after every update.
      between_stages: what a stage's objective changes below it: "none", nothing; "stop_targets", through what the
        stage sees but not through what it is to reconstruct; "full", both.
      whitening: "zca", "standardize" or "none"; see `layers.Whitening`.
      block: side of the blocks of positions that become one product, 0 chooses. Small blocks store fewer zeros (with
        a field of 18: 1.11 times the weights with 2, 1.36 with 4), large ones are faster with more than a few images.
      shards: each kernel as so many weights: for parameter servers, and to bound scratch memory.
      memory_saving: computes and applies the gradients of one stage after the other; only with "none".
    """

    image_shape: tuple = (200, 200, 3)
    stages: int = 3
    field: int = 18
    maps: int = 8
    stride: int = 1
    tile: int = 0
    pool: int = 5
    contrast: int = 5
    sparsity: float = 0.1
    epsilon: float = 1e-4
    decoder: str = "untied"
    initial_length: float = 0.1
    unit_norm: bool = True
    between_stages: str = "none"
    whitening: str = "zca"
    block: int = 0
    shards: int = 1
    memory_saving: bool = False

    def __post_init__(self):
        if self.decoder not in ("untied", "tied"):
            raise ValueError(f"decoder is '{self.decoder}'; expected 'untied' or 'tied'")
        if self.between_stages not in _BETWEEN:
            raise ValueError(f"between_stages is '{self.between_stages}'; expected one of {', '.join(_BETWEEN)}")
        if self.memory_saving and self.between_stages != "none":
            raise ValueError("memory_saving needs between_stages='none': stages must not depend on each other")
        for name in ("field", "stride", "pool"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} is {getattr(self, name)}; expected 1 or more")
        if self.stages < 1 or self.maps < 1 or self.sparsity < 0.0:
            raise ValueError(
                f"stages={self.stages}, maps={self.maps}, sparsity={self.sparsity}; "
                "expected at least one stage and one map, and a sparsity of 0 or more"
            )

    @property
    def window(self) -> int:
        """Side in pixels of the square that a neuron sees.

        Counted with one window of contrast normalization a stage, which looks at neighbors to divide by them: 76 at
        the paper's sizes (64 without, 88 if the normalization's two passes are both counted in full).
        """
        side = 1
        for _ in range(self.stages):
            side += max(self.contrast - 1, 0) + self.pool - 1
            side = (side - 1) * self.stride + self.field
        return side


class Stage(keras.layers.Layer):
    """Simple cells, complex cells, contrast normalization, and the decoder that teaches them.

    Call arguments:
      inputs: float [batch, height, width, channels].

    Returns:
      (simple, complex, output): float [batch, rows, columns, maps] each, of their own sizes.
    """

    def __init__(self, config: SparseConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self._options = {
            "strides": config.stride,
            "tile": config.tile or None,
            "block": config.block or None,
            "shards": config.shards,
        }
        self.pooling = L2Pooling2D(config.pool, epsilon=config.epsilon, name="pooling")
        self.contrast = LocalContrastNormalization(config.contrast, name="contrast") if config.contrast else None

    def build(self, input_shape):
        config = self.config
        initial = keras.initializers.RandomNormal(
            stddev=config.initial_length / (config.field * input_shape[-1] ** 0.5)
        )
        self.filters = LocallyConnected2D(
            config.maps, config.field, **self._options, kernel_initializer=initial, name="filters"
        )
        self.filters.build(input_shape)
        simple = self.filters.compute_output_shape(input_shape)
        complex_cells = self.pooling.compute_output_shape(simple)
        if min(complex_cells[1:3]) < 1:
            raise ValueError(
                f"a stage sees {tuple(input_shape[1:3])} and has {simple[1:3]} positions, too few to pool over "
                f"{config.pool}: use a larger image, a smaller field or fewer stages"
            )
        tied: dict[str, Any] = {"tied_to": self.filters} if config.decoder == "tied" else {}
        image = tuple(input_shape[1:])
        self.decoder = LocallyConnected2DTranspose(image, config.field, **self._options, **tied, name="decoder")
        self.decoder.build(simple)

    def call(self, inputs):
        simple = self.filters(inputs)
        pooled = self.pooling(simple)
        return simple, pooled, self.contrast(pooled) if self.contrast else pooled

    def losses_of(self, inputs, targets) -> tuple:
        """(reconstruction, sparsity, output): float [batch] twice, and what the next stage sees."""
        simple, pooled, output = self(inputs)
        error = in_float32(self.decoder(simple)) - in_float32(targets)
        reconstruction = tf.reduce_sum(tf.square(error), axis=[1, 2, 3])
        return reconstruction, tf.reduce_sum(in_float32(pooled), axis=[1, 2, 3]), output

    def compute_output_shape(self, input_shape):
        simple = self.filters.compute_output_shape(input_shape)
        pooled = self.pooling.compute_output_shape(simple)
        return simple, pooled, pooled


@keras.saving.register_keras_serializable("reverie")
class Sparse(Network):
    """The stack of stages. Images are float32 [batch, height, width, channels] in [0, 1].

    Example:
      >>> model = Sparse(SparseConfig(image_shape=(16, 16, 1), stages=1, field=5, maps=2, pool=3, contrast=3))
      >>> model.encode(tf.zeros([2, 16, 16, 1]))["features"].shape[1] == model.units
      True
    """

    settings = SparseConfig

    def __init__(self, config: SparseConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.whitening = Whitening(config.whitening, name="whitening", dtype="float32")
        self.whitening.build((None, *config.image_shape))
        shape = (None, *config.image_shape)
        for number in range(1, config.stages + 1):
            stage = Stage(config, name=f"stage_{number}")
            # An attribute each: TensorFlow's checkpoints pass over layers that Keras 3 keeps in a list.
            setattr(self, f"stage_{number}", stage)
            stage.build(shape)
            shape = stage.compute_output_shape(shape)[2]
        self.output_shape_ = tuple(shape[1:])
        self.chosen: dict = {}
        self.built = True
        self.constrain()

    @property
    def stages(self) -> list:
        return [getattr(self, f"stage_{number}") for number in range(1, self.config.stages + 1)]

    @property
    def units(self) -> int:
        """Number of neurons of the last stage."""
        return int(np.prod(self.output_shape_))

    def prepare(self, images) -> None:
        """Fits the whitening to training images, once, before the first step; float32 [n, h, w, c]."""
        self.whitening.fit(images)

    # ---- learning

    def losses(self, batch: dict, noise: Noise | None = None, training: bool = True) -> dict:
        """The terms of the objective, one value a row; a pure function of batch and weights.

        Args:
          batch: "image" float32 [b, h, w, c].
          noise, training: unused, the model is deterministic.

        Returns:
          float32 [b] each: "total", and "reconstruction_1", "sparsity_1", ... of every stage, summed over pixels and
          pooling units; sparsity is without its weight lambda.
        """
        del noise, training
        inputs = self.whitening(batch["image"])
        terms = {}
        for number, stage in enumerate(self.stages, start=1):
            seen = inputs if self.config.between_stages != "none" else tf.stop_gradient(inputs)
            targets = inputs if self.config.between_stages == "full" else tf.stop_gradient(inputs)
            reconstruction, sparsity, inputs = stage.losses_of(seen, targets)
            terms |= {f"reconstruction_{number}": reconstruction, f"sparsity_{number}": sparsity}
        return self._with_total(terms)

    def parts(self, batch: dict) -> list:
        """The same objective as one part a stage: [(() -> terms, variables)], for `memory_saving`.

        What each stage sees is computed first, for all of them; then no stage needs another.
        """
        inputs = [tf.stop_gradient(self.whitening(batch["image"]))]
        for stage in self.stages[:-1]:
            inputs.append(tf.stop_gradient(stage(inputs[-1])[2]))

        def part(number, stage, seen):
            def terms():
                reconstruction, sparsity, _ = stage.losses_of(seen, seen)
                return self._with_total({f"reconstruction_{number}": reconstruction, f"sparsity_{number}": sparsity})

            return terms, stage.trainable_variables

        return [part(k + 1, stage, seen) for k, (stage, seen) in enumerate(zip(self.stages, inputs, strict=True))]

    def _with_total(self, terms: dict) -> dict:
        weights = {name: self.config.sparsity if name.startswith("sparsity") else 1.0 for name in terms}
        return {"total": tf.add_n([weights[name] * value for name, value in terms.items()]), **terms}

    def constraints(self) -> list:
        """[(variable, value -> admitted value)], to be held after every update: decoder filters of length one."""
        if not self.config.unit_norm:
            return []

        def unit(kernel):
            return kernel / tf.maximum(tf.norm(kernel, axis=-2, keepdims=True), 1e-12)

        return [(kernel, unit) for stage in self.stages for kernel in stage.decoder.kernels]

    def constrain(self) -> None:
        """Brings all weights to what `constraints` admits, in place."""
        for variable, admitted in self.constraints():
            variable.assign(admitted(tf.convert_to_tensor(variable.value)))

    # ---- use

    @takes_images
    def outputs(self, images) -> list:
        """What every stage gives: float32 [n, rows, columns, maps] each, the neurons last."""
        values, found = self.whitening(images), []
        for stage in self.stages:
            values = stage(values)[2]
            found.append(values)
        return found

    def encode(self, images) -> dict:
        """The neurons, and by name those that were chosen.

        Args:
          images: float32 [n, h, w, c].

        Returns:
          {"features": float32 [n, units], ordered row, column, map; and if any were chosen "neurons": [n, chosen],
          each turned so that it is above 0 for what it detects}.
        """
        features = tf.reshape(in_float32(self.outputs(images)[-1]), [-1, self.units])
        if not self.chosen:
            return {"features": features}
        columns = [(features[:, n["index"]] - n["threshold"]) * n["polarity"] for n in self.chosen.values()]
        return {"features": features, "neurons": tf.stack(columns, axis=1)}

    def call(self, images):
        return self.encode(images)["features"]

    def neuron(self, images, index) -> dict:
        """{"response": float32 [n, k]} of some neurons.

        Args:
          images: float32 [n, h, w, c].
          index: int32 [k], of 0..units-1.
        """
        return {"response": tf.gather(self.encode(images)["features"], index, axis=1)}

    @takes_images
    def reconstruct(self, images) -> dict:
        """{"images": float32 [n, h, w, c]}: whitened images, seen through the first stage."""
        stage = self.stages[0]
        return {"images": in_float32(stage.decoder(stage.filters(self.whitening(images))))}

    def choose(self, numbers: dict) -> None:
        """Makes `encode` give the neurons that an evaluation found by themselves; see `found_neurons`."""
        self.chosen = found_neurons(numbers)

    def place(self, unit: int) -> tuple:
        """(row, column, map) of a neuron."""
        return tuple(int(number) for number in np.unravel_index(unit, self.output_shape_))

    @property
    def step(self) -> int:
        """Pixels from the window of one neuron to its neighbor's."""
        return self.config.stride**self.config.stages

    def signatures(self) -> dict:
        """Endpoints for export."""
        image = tf.TensorSpec([None, *self.config.image_shape], tf.float32, name="images")
        index = tf.TensorSpec([None], tf.int32, name="index")
        # Every normalization divides small differences by small deviations: rounding grows from stage to stage.
        # With activations of 8 bits nothing of the answer is left (measured: error 0.98 of its deviation).
        not_whole = ("int8",) if self.config.contrast else ()
        amplification = 5.0**self.config.stages if self.config.contrast else 1.0

        def as_images(x):
            return {"images": x}

        def as_neurons(x):
            return {"images": x, "index": np.linspace(0, self.units - 1, len(x)).astype(np.int32)}

        return {
            "encode": Signature(
                self.encode,
                {"images": image},
                as_images,
                {"images": PIXELS},
                amplification,
                not_as=not_whole,
                lite=True,
                meaning="images to the responses of all neurons, and of those chosen for a concept",
            ),
            "neuron": Signature(
                self.neuron,
                {"images": image, "index": index},
                as_neurons,
                {"images": PIXELS, "index": (0, self.units - 1)},
                amplification,
                meaning="images to the responses of the neurons asked for",
                rowwise=False,
            ),
            "reconstruct": Signature(
                self.reconstruct,
                {"images": image},
                as_images,
                {"images": PIXELS},
                meaning="images to whitened images as the first stage sees them",
            ),
        }


def found_neurons(numbers: dict) -> dict:
    """The neurons among the numbers of an evaluation.

    Args:
      numbers: with "<concept>_index", "<concept>_threshold" and "<concept>_polarity" (1 or -1) of every concept.

    Returns:
      concept -> {"index": int, "threshold": float, "polarity": int}.
    """
    names = [name.removesuffix("_polarity") for name in numbers if name.endswith("_polarity")]
    return {
        name: {
            "index": int(numbers[f"{name}_index"]),
            "threshold": float(numbers[f"{name}_threshold"]),
            "polarity": int(numbers[f"{name}_polarity"]),
        }
        for name in names
    }


FAMILY = Family(
    name="sparse",
    settings=SparseConfig,
    build=Sparse,
    summary="a deep autoencoder of untied local filters learns from one frame per video",
    paper="Le et al. 2012, arXiv 1112.6209",
    evaluation="reverie.evaluation.sparse",
    capabilities=frozenset({Capability.PREPARE, Capability.CONSTRAIN, Capability.PARTS, Capability.CHOOSE}),
)
