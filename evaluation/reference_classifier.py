"""A separate classifier, trained on real images only, that says what an imagined image shows."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from .. import pipelines
from ..progress import Progress
from .probes import balanced_accuracy


class ReferenceClassifier:
    """A small convolutional network with one softmax a head.

    Arguments:
      images: real training images; unlabeled rows are left out.
      heads: head name -> number of classes.
      steps: training steps; 0 is twelve passes over the images, at least 200 and at most 1,500.
      seed: of weights and order.
      batch_size: images a step.
      clip: whether images are pixels, shown to it clipped to [0, 1]; features are not.
    """

    def __init__(
        self,
        images: pipelines.Images,
        heads: dict,
        steps: int = 0,
        seed: int = 0,
        clip: bool = True,
        batch_size: int = 128,
    ):
        self.heads, self._clip = dict(heads), clip
        columns = images.labels.reshape(len(images), -1)
        labeled = images.take(np.flatnonzero((columns >= 0).all(axis=1)))
        steps = steps or min(1500, max(200, 12 * len(labeled) // 128))
        keras.utils.set_random_seed(seed)
        inputs = keras.Input(images.shape)
        # Larger pictures are halved more often, or the first dense layer would be most of the network.
        small = min(images.shape[:2]) < 48
        hidden = inputs
        for filters, kernel in ((32, 5), (64, 3)) if small else ((16, 4), (32, 4), (64, 4), (64, 4)):
            hidden = keras.layers.Conv2D(filters, kernel, 2, "same", activation="relu")(hidden)
        hidden = keras.layers.Dense(128 if small else 256, activation="relu")(keras.layers.Flatten()(hidden))
        # By number: a column of somebody's table may be called what no layer can be.
        sizes = {f"head_{number}": size for number, size in enumerate(self.heads.values())}
        outputs = {name: keras.layers.Dense(size, name=name)(hidden) for name, size in sizes.items()}
        self.model = keras.Model(inputs, outputs)
        self._embedding = keras.Model(inputs, hidden)
        losses = {name: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in sizes}
        schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        self.model.compile(keras.optimizers.Adam(schedule), losses)
        stream = pipelines.batches(labeled, min(batch_size, len(labeled)), seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns that a tf.data stream is not shuffled again: it is meant.
            self._fit(stream, steps)

    def _fit(self, stream, steps: int) -> None:
        with Progress("training the judge", steps) as progress:
            told = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: progress.update())
            self.model.fit(stream.map(self._targets), steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[told])

    def _targets(self, batch):
        columns = tf.reshape(batch["label"], [-1, len(self.heads)])
        return batch["image"], {f"head_{number}": columns[:, number] for number in range(len(self.heads))}

    def classes(self, images, head: str) -> np.ndarray:
        """The class the reference classifier sees in each image.

        Args:
          images: float32 [n, h, w, c], clipped here to [0, 1] as a person would see them.
          head: which label.

        Returns:
          int64 [n].
        """
        return self.all_classes(images)[:, list(self.heads).index(head)]

    def all_classes(self, images) -> np.ndarray:
        """int64 [n, heads]: the class it sees for every head, in the order of the heads."""
        logits = self.model.predict(self._shown(images), batch_size=500, verbose=0)
        return np.stack([np.argmax(logits[f"head_{number}"], axis=-1) for number in range(len(self.heads))], axis=-1)

    def features(self, images) -> np.ndarray:
        """Its last hidden layer, float32 [n, 128 or 256]: a space in which alike means alike to a classifier."""
        return self._embedding.predict(self._shown(images), batch_size=500, verbose=0)

    def _shown(self, images) -> np.ndarray:
        return np.clip(np.asarray(images), 0.0, 1.0) if self._clip else np.asarray(images)

    def accuracy(self, images: pipelines.Images, head: str, balanced: bool = False) -> float:
        """Accuracy on real labeled images, without which its verdicts mean nothing; balanced counts classes alike."""
        column = images.labels.reshape(len(images), -1)[:, list(self.heads).index(head)]
        seen = np.concatenate([self.classes(b["image"], head) for b in pipelines.in_order(images, 500)])
        seen, column = seen[column >= 0], column[column >= 0]
        return balanced_accuracy(seen, column) if balanced else float(np.mean(seen == column))
