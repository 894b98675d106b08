"""A small variational autoencoder a class, and how likely each of them finds a row."""

import itertools
import math

import keras
from keras import ops

from .registry import CallInput, register_layer

LIKELIHOODS = ("bernoulli", "squared")


@register_layer(
    arguments={"classes": 3, "hidden": (4, 4), "latents": 2, "samples": 5}, inputs=[CallInput((6,))], backends=True
)
class ClassAutoencoders(keras.layers.Layer):
    """The log-likelihood of a row under a variational autoencoder of each class: a generative classifier's logits.

        log p(x | c) = log 1/S sum_s p_c(x | z_s) N(z_s; 0, I) / q_c(z_s | x),   z_s ~ q_c(z | x)

    (van de Ven, Li and Tolias 2021, CVPR workshops, arXiv 2104.10093; importance sampling of Burda et al. 2016). The
    autoencoders share no weights. They share the S standard normal draws, which are kept as a weight, so that the same
    row always has the same answer.

    Args:
      classes: how many autoencoders.
      hidden: widths of each encoder, and backwards of each decoder.
      latents: units of z.
      likelihood: "bernoulli" of inputs in [0, 1], or "squared", a Gaussian of variance 1.
      samples: S.

    Call arguments:
      inputs: float [batch, units].

    Returns:
      float [batch, classes], nats. `bound` is what the autoencoders learn by.

    Raises:
      ValueError: no hidden layer, an unknown likelihood, or sizes below 1.

    Example:
      >>> from reverie.layers import ClassAutoencoders
      >>> layer = ClassAutoencoders(classes=4, hidden=(8,), latents=2, samples=10)
      >>> layer(keras.random.uniform((3, 6), seed=1)).shape
      TensorShape([3, 4])
    """

    def __init__(
        self,
        classes: int,
        hidden: tuple = (85, 85),
        latents: int = 5,
        likelihood: str = "bernoulli",
        samples: int = 10,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood is '{likelihood}'; expected one of {', '.join(LIKELIHOODS)}")
        if min(classes, latents, samples, *hidden) < 1 or not hidden:
            raise ValueError(
                f"classes={classes}, hidden={tuple(hidden)}, latents={latents}, samples={samples}; expected at least "
                "one of each"
            )
        self.classes, self.hidden, self.latents = classes, tuple(hidden), latents
        self.likelihood, self.samples = likelihood, samples

    def build(self, input_shape):
        units = input_shape[-1]
        up = (units, *self.hidden)
        down = (self.latents, *reversed(self.hidden), units)
        self._encoders = self._stack("encoder", up)
        self._posterior = self._stack("posterior", (up[-1], 2 * self.latents))
        self._decoders = self._stack("decoder", down)
        fixed = {"trainable": False, "aggregation": "only_first_replica", "autocast": False}
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.draws = self.add_weight(shape=(self.samples, self.latents), initializer=normal, name="draws", **fixed)

    def _stack(self, name: str, sizes: tuple) -> tuple:
        """Names of the weights of dense layers one above the other, each with a kernel and a bias for every class."""
        names = []
        for number, (inputs, units) in enumerate(itertools.pairwise(sizes)):
            start = keras.initializers.RandomUniform(-1.0 / math.sqrt(inputs), 1.0 / math.sqrt(inputs))
            pair = (f"{name}_{number + 1}_kernel", f"{name}_{number + 1}_bias")
            for weight, shape in zip(pair, ((inputs, units), (1, units)), strict=True):
                # Sums over pixels are not for half precision.
                made = self.add_weight(shape=(self.classes, *shape), initializer=start, name=weight, autocast=False)
                setattr(self, weight, made)
            names.append(pair)
        return tuple(names)

    def _through(self, names: tuple, rows, classes=None, last_linear: bool = True):
        """`rows` [classes, n, units] through dense layers; of `classes` = (first, how many) only, or of all."""
        for number, (kernel, bias) in enumerate(names):
            kernel, bias = (self._of(getattr(self, name), classes) for name in (kernel, bias))
            rows = ops.matmul(rows, kernel) + bias
            if number + 1 < len(names) or not last_linear:
                rows = ops.relu(rows)
        return rows

    def _of(self, weight, classes):
        weight = ops.convert_to_tensor(weight)
        if classes is None:
            return weight
        first, count = classes
        return ops.slice(weight, (first, 0, 0), (count, *weight.shape[1:]))

    def posterior(self, inputs, classes=None) -> tuple:
        """(mean, log-variance) of z under each class' encoder, [classes, n, latents] each; see `bound`."""
        rows = ops.cast(inputs, self.variable_dtype)[None]
        read = self._through(self._encoders, rows, classes, last_linear=False)
        mean, log_variance = ops.split(self._through(self._posterior, read, classes), 2, axis=-1)
        return mean, log_variance

    def log_likelihood(self, inputs, z, classes=None):
        """log p_c(x | z): float32 [classes, n], of inputs [n, units] and z [classes, n, latents]."""
        inputs = ops.cast(inputs, self.variable_dtype)
        decoded = self._through(self._decoders, z, classes)
        if self.likelihood == "bernoulli":
            # x log p + (1 - x) log(1 - p) with p = sigmoid(decoded).
            return ops.sum(inputs * decoded - ops.softplus(decoded), axis=-1)
        return -0.5 * ops.sum(ops.square(inputs - decoded) + math.log(2.0 * math.pi), axis=-1)

    def bound(self, inputs, label, noise, classes=None):
        """The variational lower bound of each row under the autoencoder of its own class, nats.

        Args:
          inputs: float [n, units].
          label: int32 [n], each row's place among `classes`.
          noise: float [n, latents], standard normal.
          classes: (first, how many) of the autoencoders that the labels count from, or None for all.

        Returns:
          float32 [n].
        """
        mean, log_variance = self.posterior(inputs, classes)
        z = mean + ops.exp(0.5 * log_variance) * noise
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0, axis=-1)
        bounds = self.log_likelihood(inputs, z, classes) - divergence
        return ops.sum(bounds * ops.transpose(ops.one_hot(label, bounds.shape[0], dtype=bounds.dtype)), axis=0)

    def call(self, inputs):
        mean, log_variance = self.posterior(inputs)
        deviation = ops.exp(0.5 * log_variance)

        def add(number, total):
            draw = ops.take(self.draws, number, axis=0)
            z = mean + deviation * draw
            # log N(z; 0, I) - log q(z | x); the constants cancel.
            ratio = 0.5 * ops.sum(ops.square(draw) + log_variance - ops.square(z), axis=-1)
            return ops.logaddexp(total, self.log_likelihood(inputs, z) + ratio)

        # Sample by sample: all at once they would need room for samples x classes x rows x units.
        total = ops.fori_loop(0, self.samples, add, ops.full_like(mean[..., 0], -1e30))
        return ops.cast(ops.transpose(total) - math.log(self.samples), self.compute_dtype)

    def compute_output_shape(self, input_shape) -> tuple:
        return (*input_shape[:-1], self.classes)

    def get_config(self) -> dict:
        names = ("classes", "hidden", "latents", "likelihood", "samples")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
