"""A latent prior with modes of its own for every class (van de Ven, Siegelmann and Tolias 2020, "Con")."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from .registry import CallInput, register_layer

tfd = tfp.distributions


@register_layer(
    arguments={"classes": 4, "units": 3, "modes": 2}, inputs=[CallInput((3,)), CallInput((), "int32", below=4)]
)
class ClassConditionalPrior(keras.layers.Layer):
    """A mixture of trainable diagonal Gaussians for each class.

        p(z | c) = 1/M sum_m N(z; m[c, m], diag exp l[c, m])

    Drawing z from p(z | c) and decoding it is imagining class c: no other part of the network has to learn
    where in the latent space a class lies. The posterior is pulled to its class's modes by the Monte-Carlo
    estimate of the KL divergence, log q(z | x) - log p(z | c).

    Args:
      classes: number of classes.
      units: number of latents.
      modes: M, Gaussians for each class.

    Call arguments:
      z: float [batch, units].
      label: int [batch], or float [batch, classes], as in `log_prob`.

    Returns:
      float [batch], log p(z | label); `distribution` and `sample` give the prior itself and draws from it.

    Raises:
      ValueError: sizes below one.

    Reference: van de Ven et al. 2020, Methods, "Conditional replay".

    Example:
      >>> from reverie.layers import ClassConditionalPrior
      >>> prior = ClassConditionalPrior(classes=3, units=2)
      >>> imagined = prior.sample(tf.constant([0, 2, 2, 1]), seed=tf.constant([1, 2]))
      >>> imagined.shape, prior.log_prob(imagined, tf.constant([0, 2, 2, 1])).shape
      (TensorShape([4, 2]), TensorShape([4]))
    """

    def __init__(self, classes: int, units: int, modes: int = 1, **kwargs):
        super().__init__(**kwargs)
        if min(classes, units, modes) < 1:
            raise ValueError(f"classes={classes}, units={units}, modes={modes}; expected at least 1 of each")
        self.classes, self.units, self.modes = classes, units, modes
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        self.means = self.add_weight(shape=(classes, modes, units), initializer=initializer, name="means")
        self.log_variances = self.add_weight(
            shape=(classes, modes, units), initializer=initializer, name="log_variances"
        )

    def call(self, z, label):
        return self.log_prob(z, label)

    def compute_output_shape(self, z_shape, label_shape) -> tuple:
        return tuple(z_shape[:-1])

    def distribution(self, label=None) -> tfd.Distribution:
        """p(z | c) of all classes, or of given ones.

        Args:
          label: int [...], or None for all classes in order.

        Returns:
          `tfd.MixtureSameFamily`, batch shape [...] or [classes], event shape [units].
        """
        means, log_variances = tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.log_variances)
        if label is not None:
            means, log_variances = tf.gather(means, label), tf.gather(log_variances, label)
        modes = tfd.Independent(tfd.Normal(means, tf.exp(0.5 * log_variances)), reinterpreted_batch_ndims=1)
        if self.modes == 1:
            # One mode is no mixture; the same distribution with the mode axis taken off is cheaper.
            means, deviation = means[..., 0, :], tf.exp(0.5 * log_variances[..., 0, :])
            return tfd.Independent(tfd.Normal(means, deviation), reinterpreted_batch_ndims=1)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros_like(means[..., 0])), modes)

    def log_prob(self, z, label) -> tf.Tensor:
        """log p(z | label).

        Args:
          z: float [b, units].
          label: int [b], a class for each row; or float [b, classes], a distribution over classes (soft label).

        Returns:
          float [b]. For soft labels log sum_c label[c] p(z | c), taken in the log domain, so that classes of
          weight zero have no part in it and far modes do not underflow.
        """
        label = tf.convert_to_tensor(label)
        if label.dtype.is_integer:
            return self.distribution(label).log_prob(z)
        present = label > 0.0
        log_weights = tf.math.log(tf.where(present, label, 1.0))
        terms = log_weights + self.distribution().log_prob(z[:, None, :])
        return tf.reduce_logsumexp(tf.where(present, terms, terms.dtype.min), axis=-1)

    def sample(self, label, seed, temperature: float = 1.0) -> tf.Tensor:
        """Draws one z for each label.

        Args:
          label: int [b].
          seed: int32 [2], stateless.
          temperature: deviations are taken this many times; 1 draws from the prior.

        Returns:
          float [b, units]; the same numbers for the same seed on every machine.
        """
        mode_key, normal_key = tf.unstack(tf.random.split(seed, 2, alg="philox"))
        count = tf.shape(label)[0]
        mode = tf.random.stateless_uniform([count], mode_key, 0, self.modes, tf.int32, alg="philox")
        place = tf.stack([tf.cast(label, tf.int32), mode], axis=-1)
        mean, log_variance = tf.gather_nd(self.means, place), tf.gather_nd(self.log_variances, place)
        normal = tf.random.stateless_normal([count, self.units], normal_key, dtype=mean.dtype, alg="philox")
        return mean + temperature * tf.exp(0.5 * log_variance) * normal

    def get_config(self) -> dict:
        return {**super().get_config(), "classes": self.classes, "units": self.units, "modes": self.modes}
