"""A deep sparse autoencoder of untied local filters (Le et al. 2012, arXiv 1112.6209, ICML).

Three stages of the same three steps. Simple cells: linear filters at every position, each with weights of its own.
Complex cells: L2 pooling of each map over its neighborhood. Then local contrast normalization over all maps. What
the last stage gives are the neurons; one of more than a hundred thousand came to know faces.

Every stage learns to reconstruct its input from its simple cells, while its complex cells are kept silent. The two
objectives for that, the paper's and one that learns edges, are in `sparse_stage.py`. All stages are trained together
on the sum of their objectives, as in the paper, or one after the other (see `training.greedy`). As in the paper the
terms are sums, per image: the gradient of a weight that is used at one position does not depend on the image's size.

The objective alone can be cheated: W1 -> a W1, W2 -> W2 / a with a -> 0 leaves the reconstruction and silences the
sparsity. So the filters of W2 are brought to length one after every update, or W2 is W1 itself (`tied`).
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..layers import Noise, Whitening
from .contract import Capability, Family, GreedyLayer
from .limits import PIXELS
from .network import Network, in_float32, takes_images
from .settings import each_stage, of_each_stage
from .signature import Signature
from .sparse_stage import Stage, make_stage

_BETWEEN = ("none", "stop_targets", "full")
_FLOORS = ("constant", "mean")


def _right_of(field: dataclasses.Field) -> tuple[Callable[[Any], bool], str]:
    """What a value of one stage must be, and in words: of the type of its default, and in its range."""
    if isinstance(field.default, bool):
        return lambda value: isinstance(value, bool), "True or False"
    if isinstance(field.default, int):
        least = 1 if field.name in ("field", "stride", "pool", "maps") else 0
        return (
            lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
            f"whole numbers, {least} or more",
        )
    above = field.name == "whitening_epsilon"
    return (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool)
        and (value > 0.0 or (value == 0.0 and not above)) and value < math.inf,
        f"finite numbers {'above 0' if above else 'of 0 or more'}",
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SparseConfig:
    """Sizes and weights of the model. Some settings are one number for all stages, or a tuple of one for each
    (of a longer one the first).

    Attributes:
      image_shape: (height, width, channels).
      stages: how many times filtering, pooling and normalization.
      field: side of a filter's window in pixels (of its stage's input); also one a stage.
      maps: filters at every position; also one a stage.
      stride: of the filters; also one a stage.
      tile: positions so many apart share weights, 1 is a convolution, 0 shares nothing; also one a stage.
      pool: side of the pooling window; also one a stage.
      contrast: side of the normalization's window; 0 leaves normalization out (the paper's control).
      contrast_floor: least deviation that is divided by: "constant" (0.01, the paper's) or "mean", each image's own
        mean deviation (Jarrett et al. 2009).
      sparsity: lambda; also one a stage.
      epsilon: eps, under the root.
      reconstruction: "overlap", the paper's equation as printed: all windows together rebuild the input, to which
        single pixels are a trivial answer; or "window": every position rebuilds its own window. See `sparse_stage`.
      components: with "window", how many whitened components of a window are kept; 0 is all; also one a stage.
      whitening_epsilon: with "window", what regularizes their whitening, as a multiple of the mean eigenvalue: small
        for pixels, ten or so above, where full whitening discards what tells faces; also one a stage.
      natural_filters: with "window", filters answer to components in their natural weights; also one a stage.
      signed_pooling: positive and negative answers are pooled apart, which gives two maps a filter: above the first
        stage the sign says something, and a square would lose it.
      decoder: "untied", or "tied" to the encoder.
      initial_length: of the encoder's filters, on average. What an initial filter has in directions in which images
        have no energy is never unlearned; small initial filters carry little of it. Without effect on tied filters of
        length one.
      unit_norm: brings the decoder's filters to length one after every update.
      between_stages: what a stage's objective changes below it: "none", nothing; "stop_targets", through what the
        stage sees but not through what it is to reconstruct; "full", both.
      whitening: of images: "zca", "standardize" or "none"; see `layers.Whitening`.
      block: side of the blocks of positions that become one product, 0 chooses. Small blocks store fewer zeros (with
        a field of 18: 1.11 times the weights with 2, 1.36 with 4), large ones are faster with more than a few images.
      shards: each kernel as so many weights: for parameter servers, and to bound scratch memory.
      memory_saving: computes and applies the gradients of one stage after the other; only with "none".
    """

    image_shape: tuple = (200, 200, 3)
    stages: int = 3
    field: int | tuple = each_stage(18)
    maps: int | tuple = each_stage(8)
    stride: int | tuple = each_stage(1)
    tile: int | tuple = each_stage(0)
    pool: int | tuple = each_stage(5)
    contrast: int = 5
    contrast_floor: str = "constant"
    sparsity: float | tuple = each_stage(0.1)
    epsilon: float = 1e-4
    reconstruction: str = "overlap"
    components: int | tuple = each_stage(0)
    whitening_epsilon: float | tuple = each_stage(0.01)
    natural_filters: bool | tuple = each_stage(False)
    signed_pooling: bool = False
    decoder: str = "untied"
    initial_length: float = 0.1
    unit_norm: bool = True
    between_stages: str = "none"
    whitening: str = "zca"
    block: int = 0
    shards: int = 1
    memory_saving: bool = False

    def __post_init__(self):
        self._check_numbers()
        for name, known in (
            ("decoder", ("untied", "tied")), ("between_stages", _BETWEEN), ("contrast_floor", _FLOORS),
            ("reconstruction", ("overlap", "window")),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"model.{name} is '{getattr(self, name)}'; expected one of {', '.join(known)}")
        if self.memory_saving and self.between_stages != "none":
            raise ValueError("memory_saving needs between_stages='none': stages must not depend on each other")
        if self.reconstruction == "window" and self.between_stages != "none":
            raise ValueError("reconstruction='window' needs between_stages='none': its whitening is fitted below")
        if self.decoder == "tied" and self.unit_norm and self.initial_length not in (0.1, 1.0):
            raise ValueError(
                f"model.initial_length is {self.initial_length:g}, but tied filters are brought to length one: "
                "leave it at 0.1, or set unit_norm=False or decoder='untied'"
            )

    def _check_numbers(self) -> None:
        for name, least in (("stages", 1), ("shards", 1), ("block", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"model.{name} is {getattr(self, name)}; expected {least} or more")
        if self.contrast and (self.contrast < 0 or self.contrast % 2 == 0):
            raise ValueError(f"model.contrast is {self.contrast}; expected an odd number, or 0 for no normalization")
        for name in ("epsilon", "initial_length"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"model.{name} is {getattr(self, name):g}; expected a finite number above 0")
        for field in dataclasses.fields(SparseConfig):
            if field.name not in of_each_stage(SparseConfig):
                continue
            values = getattr(self, field.name)
            values = tuple(values) if isinstance(values, tuple | list) else (values,)
            if len(values) != 1 and len(values) < self.stages:
                raise ValueError(
                    f"model.{field.name} is {values}; expected one value, or {self.stages}, one for each stage"
                )
            right, words = _right_of(field)
            if wrong := [value for value in values if not right(value)]:
                which = f", not {wrong[0]!r}" if len(values) > 1 else ""
                raise ValueError(f"model.{field.name} is {getattr(self, field.name)!r}; expected {words}{which}")

    def of_stage(self, number: int) -> Any:
        """The settings of a stage, from 1: a `SparseConfig` of one number each."""
        own = {}
        for name in of_each_stage(SparseConfig):
            values = getattr(self, name)
            if isinstance(values, tuple | list):
                own[name] = values[0] if len(values) == 1 else values[number - 1]
        return dataclasses.replace(self, **own)

    def shallow(self, stages: int) -> "SparseConfig":
        """The settings of the first stages alone."""
        return dataclasses.replace(self, stages=stages)

    @property
    def window(self) -> int:
        """Side in pixels of the square that a neuron sees, at most the image's.

        Counted with one window of contrast normalization a stage, which looks at neighbors to divide by them: 76 at
        the paper's sizes (64 without, 88 if the normalization's two passes are both counted in full).
        """
        side = 1
        for number in range(self.stages, 0, -1):
            own = self.of_stage(number)
            side += max(own.contrast - 1, 0) + own.pool - 1
            side = (side - 1) * own.stride + own.field
        return min(side, *self.image_shape[:2])

    @property
    def step(self) -> int:
        """Pixels from the window of a neuron to its neighbor's."""
        return int(np.prod([self.of_stage(number).stride for number in range(1, self.stages + 1)]))


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
            stage = make_stage(config.of_stage(number), name=f"stage_{number}")
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
        """Fits every whitening to training images, once, before the first step; float32 [n, h, w, c]."""
        self.whitening.fit(images)
        if self.config.reconstruction == "window":
            values = self.whitening(images)
            for stage in self.stages:
                stage.prepare(values)
                values = stage(values)[2]

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

    def greedy_layers(self) -> list[GreedyLayer]:
        """The stages as layers to be trained one after the other."""

        def layer(number: int, stage: Stage) -> GreedyLayer:
            def losses(batch: dict, noise: Noise | None = None, training: bool = True) -> dict:
                del noise, training
                reconstruction, sparsity = stage.objective(batch["seen"], batch["seen"])
                return self._with_total({f"reconstruction_{number}": reconstruction, f"sparsity_{number}": sparsity})

            def below(images):
                return self.through(self.whitening(images), number - 1)

            name, variables, held = f"stage_{number}", stage.trainable_variables, tuple(self._constraints([stage]))
            return GreedyLayer(name, variables, losses, below, self.whitening.fit, stage.prepare, stage.seen, held)

        return [layer(number, stage) for number, stage in enumerate(self.stages, start=1)]

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
        weights = {f"sparsity_{number}": stage.config.sparsity for number, stage in enumerate(self.stages, start=1)}
        return {"total": tf.add_n([weights.get(name, 1.0) * value for name, value in terms.items()]), **terms}

    def constraints(self) -> list:
        """[(variable, value -> admitted value)], to be held after every update: decoder filters of length one."""
        return self._constraints(self.stages)

    def _constraints(self, stages: list[Stage]) -> list:
        if not self.config.unit_norm:
            return []

        def unit(kernel):
            return kernel / tf.maximum(tf.norm(kernel, axis=-2, keepdims=True), 1e-12)

        return [(kernel, unit) for stage in stages for kernel in stage.decoder.kernels]

    def constrain(self) -> None:
        """Brings all weights to what `constraints` admits, in place."""
        for variable, admitted in self.constraints():
            variable.assign(admitted(tf.convert_to_tensor(variable.value)))

    def spread(self, other: "Sparse", images) -> None:
        """Takes the whitenings and filters of another network and spreads them over all positions of this one.

        So filters that were learned over all positions of small images (tile 1) become the start of untied ones on
        large images, in this network's own form: filters of whitened components, or filters of pixels.

        Args:
          other: a network of as many stages, with the same sizes but for image, tile, decoder and reconstruction.
          images: float32 [n, h, w, c] of this network, by which filters of pixels get the length that rebuilds best.

        Raises:
          ValueError: sizes that do not go together; the first is named.
        """
        mine, theirs = self.config, other.config
        names = ["field", "maps", "stride", "pool", "contrast", "contrast_floor", "signed_pooling"]
        if mine.reconstruction == theirs.reconstruction == "window":
            names.append("natural_filters")
        if theirs.stages != mine.stages:
            raise ValueError(f"stages is {theirs.stages} there and {mine.stages} here; expected the same")
        for name in names:
            for number in range(1, mine.stages + 1):
                given, wanted = (getattr(config.of_stage(number), name) for config in (theirs, mine))
                if given != wanted:
                    raise ValueError(f"{name} is {given} there and {wanted} here; expected the same")
        if theirs.image_shape[2] != mine.image_shape[2] or theirs.whitening != mine.whitening:
            raise ValueError(
                f"images of {theirs.image_shape[2]} channel(s) and whitening '{theirs.whitening}' there, "
                f"{mine.image_shape[2]} and '{mine.whitening}' here; expected the same"
            )
        for own, given in zip(self.whitening.weights, other.whitening.weights, strict=True):
            own.assign(given)
        values = self.whitening(images)
        for own_stage, stage in zip(self.stages, other.stages, strict=True):
            own_stage.spread(stage, values)
            values = own_stage(values)[2]

    # ---- use

    def through(self, values, stages: int):
        """What the first stages make of whitened images: float32 [n, rows, columns, maps], or `values` of none."""
        for stage in self.stages[:stages]:
            values = stage(values)[2]
        return values

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

    def page_functions(self) -> dict:
        """What a page runs: pictures to what every stage gives."""

        def maps(images):
            return {f"stage_{number}": values for number, values in enumerate(self.outputs(images), start=1)}

        encode = self.signatures()["encode"]
        return {"maps": dataclasses.replace(encode, function=maps, meaning="images to what every stage gives")}

    def call(self, images):
        return self.encode(images)["features"]

    def detect(self, images) -> dict:
        """The chosen neurons, each under the name of what it detects.

        Args:
          images: float32 [n, h, w, c].

        Returns:
          concept -> float32 [n], above 0 where the image is one.
        """
        neurons = self.encode(images)["neurons"]
        return {name: neurons[:, number] for number, name in enumerate(self.chosen)}

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
        return {"images": self.stages[0].rebuilt(self.whitening(images))}

    def choose(self, numbers: dict) -> None:
        """Makes `encode` give the neurons that an evaluation found by themselves; see `found_neurons`."""
        self.chosen = found_neurons(numbers)

    def place(self, unit: int) -> tuple:
        """(row, column, map) of a neuron."""
        return tuple(int(number) for number in np.unravel_index(unit, self.output_shape_))

    @property
    def step(self) -> int:
        """Pixels from the window of one neuron to its neighbor's."""
        return self.config.step

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

        encode = Signature(
            self.encode,
            {"images": image},
            as_images,
            {"images": PIXELS},
            amplification,
            not_as=not_whole,
            lite=True,
            meaning="images to the responses of all neurons, and of those chosen for a concept",
        )
        said = f"images to how much each is of {', '.join(self.chosen)}: above 0 where it is"
        detect = dataclasses.replace(encode, function=self.detect, meaning=said)
        return {
            **({"detect": detect} if self.chosen else {}),
            "encode": encode,
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
    summary="a deep autoencoder of local filters, untied or shared, learns from one frame per video",
    paper="Le et al. 2012, arXiv 1112.6209",
    evaluation="reverie.evaluation.sparse",
    kinds=("plain", "greedy"),
    capabilities=frozenset(
        {
            Capability.PREPARE,
            Capability.CONSTRAIN,
            Capability.PARTS,
            Capability.CHOOSE,
            Capability.GREEDY,
            Capability.EXPLORE,
        }
    ),
)
