"""One-vs-all logistic units on top of the deep sparse autoencoder (Le et al. 2012, section 6: ImageNet).

The network learns features from frames nobody labeled; then logistic units on its neurons learn labeled images,
first alone, then together with all filters below them (fine-tuning; the two phases are `training.transfer`'s). Every
class is a yes or no of its own: with 22,000 of them a softmax would make each depend on all others.
"""

import dataclasses
import math

import keras
import tensorflow as tf

from ..layers import Noise
from .contract import Capability, Family
from .network import Network
from .signature import Signature
from .sparse import Sparse, SparseConfig


@dataclasses.dataclass(frozen=True)
class SparseClassifierConfig(SparseConfig):
    """Sizes of the network below, as in `SparseConfig`, and the head on top of it.

    Attributes:
      heads: the one head -> its number of classes.
    """

    heads: dict = dataclasses.field(default_factory=lambda: {"label": 10})

    def __post_init__(self):
        super().__post_init__()
        if len(self.heads) != 1:
            raise ValueError(f"heads are {dict(self.heads)}; expected one, as {{'label': 10}}")
        if self.memory_saving:
            raise ValueError("memory_saving takes one stage after the other, but labels teach all of them together")


@keras.saving.register_keras_serializable("reverie")
class SparseClassifier(Network):
    """A `Sparse` network with a layer of logistic units.

    Args:
      config: of the network.
      classes: of the one head.

    Example:
      >>> config = SparseConfig(image_shape=(16, 16, 1), stages=1, field=5, maps=2, pool=3, contrast=3)
      >>> SparseClassifier(config, classes=4).classify(tf.zeros([2, 16, 16, 1]))["probabilities"].shape
      TensorShape([2, 4])
    """

    settings = SparseConfig

    def __init__(self, config: SparseConfig, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.config, self.classes = config, classes
        self.network = Sparse(config, name="network")
        # Nothing is known yet: each class starts as unlikely as one of so many is.
        rare = keras.initializers.Constant(-math.log(max(classes - 1, 1)))
        self.logistic = keras.layers.Dense(
            classes, kernel_initializer="zeros", bias_initializer=rare, name="logistic", dtype="float32"
        )
        self.logistic.build((None, self.network.units))
        self.built = True

    def get_config(self) -> dict:
        return {**super().get_config(), "classes": self.classes}

    def losses(self, batch: dict, noise: Noise | None = None, training: bool = True) -> dict:
        """The terms of the objective, one value a row; a pure function of batch and weights.

        Args:
          batch: "image" float32 [b, h, w, c], "label" int32 [b], -1 where unlabeled.
          noise, training: unused, the model is deterministic.

        Returns:
          float32 [b] each: "total", and "logistic", the cross-entropies of all units, summed.
        """
        del noise, training
        logits, labels = self._logits(batch["image"]), batch["label"]
        targets = tf.one_hot(labels, self.classes)
        entropy = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=-1)
        logistic = tf.where(labels >= 0, entropy, 0.0)
        return {"total": logistic, "logistic": logistic}

    def prepare(self, images) -> None:
        """Fits the whitening, for a network that starts untrained; float32 [n, h, w, c]."""
        self.network.prepare(images)

    def head_variables(self) -> list:
        """What is trained alone first."""
        return self.logistic.trainable_variables

    def all_variables(self) -> list:
        """What is trained then: everything that a label can teach, which leaves out the decoders."""
        encoders = [variable for stage in self.network.stages for variable in stage.filters.trainable_variables]
        return encoders + self.head_variables()

    def encode(self, images) -> dict:
        """As `Sparse.encode`."""
        return self.network.encode(images)

    def classify(self, images) -> dict:
        """{"label": int32 [n], "probabilities": float32 [n, classes], each unit's own: they do not sum to one}."""
        logits = self._logits(images)
        return {"label": tf.argmax(logits, axis=-1, output_type=tf.int32), "probabilities": tf.sigmoid(logits)}

    def signatures(self) -> dict:
        """Endpoints for export: the network's `encode`, and `classify`."""
        encode = self.network.signatures()["encode"]
        return {
            "encode": encode,
            "classify": Signature(
                self.classify,
                encode.inputs,
                encode.examples,
                encode.ranges,
                encode.amplification,
                meaning="images to the likeliest label and the probability of each, which do not sum to one",
            ),
        }

    def call(self, images):
        return self.classify(images)["probabilities"]

    def _logits(self, images):
        return self.logistic(self.network.encode(images)["features"])


def build(settings: SparseClassifierConfig) -> SparseClassifier:
    """The model of its settings, with fresh weights."""
    return SparseClassifier(settings, next(iter(settings.heads.values())))


FAMILY = Family(
    name="sparse_classifier",
    settings=SparseClassifierConfig,
    build=build,
    summary="logistic units on the sparse autoencoder, then fine-tuning of everything",
    paper="Le et al. 2012, section 6",
    evaluation="reverie.evaluation.sparse_classifier",
    kinds=("transfer", "plain"),
    capabilities=frozenset({Capability.PREPARE, Capability.HEAD}),
)
