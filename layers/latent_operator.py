"""One small function applied to every latent alike: how two posteriors are recombined."""

import keras
from keras import ops

from .gaussian_posterior import GaussianParameters
from .registry import CallInput, register_layer

# Below these, squared distances count as none: a hundredth of the prior's deviation, a thirtieth of the Gaussians' own.
_NEAR, _ALIKE = 1e-4, 1e-3


@register_layer(
    arguments={"operators": 3, "hidden": 8, "compares": True, "across": 4},
    inputs=[(CallInput((4,)), CallInput((4,))), (CallInput((4,)), CallInput((4,))), CallInput((), "int32", below=3)],
    backends=True,
)
class LatentOperator(keras.layers.Layer):
    """A convolution of width 1 along the latent axis, over two Gaussians, with a pair of outputs for each operator.

    The same function sees (mean, log-variance) of both symbols at one latent, and says (mean, log-variance) there. It
    cannot know which latent it looks at, so it has to learn what AND, IN COMMON and IGNORE mean: where to take the
    narrow one of two, and where the wide one. Whether the two say the same is a question of how near their means lie,
    from a hundredth of a latent's range on; a hidden layer of numbers of the size of the range sees that poorly, so it
    may be told (`compares`): the logarithms of the squared distance, and of that over both variances.

    What a word says can lie in several latents: a hue is a circle, and takes two. Then two hues agree at one latent
    where they share a coordinate, and no function of that latent alone can know that they are not the same. It may be
    told that, too (`across`): how surely the two differ in each latent, 1 - exp(-(m - n)^2 / (4 (s^2 + t^2))), summed
    over all latents with weights that are learned, a row for each latent, and that begin as that latent alone. (The
    exponential is the overlap of two Gaussians of the same width; Bhattacharyya 1943.)

    Args:
      operators: how many.
      hidden: units of the hidden layer.
      compares: whether the function also sees how far the means are from each other.
      across: how many latents there are, where the function also sees how surely all of them differ; 0: it does not,
        and there can be any number.
      min_log_variance, max_log_variance: bounds of the log-variance.

    Call arguments:
      first, second: (mean, log_variance), float [batch, latents] each.
      operator: int [batch], which operator each row goes through.

    Returns:
      `GaussianParameters`: (mean, log_variance), float [batch, latents].

    Raises:
      ValueError: `across` that is no number of latents, or not theirs.

    Reference: Higgins et al. 2018, section 4.2; sizes as in the public reimplementation; `compares` and `across` are
    not in either.

    Example:
      >>> from reverie.layers import LatentOperator
      >>> unknown, known = (ops.zeros((1, 5)), ops.zeros((1, 5))), (ops.ones((1, 5)), -3.0 * ops.ones((1, 5)))
      >>> LatentOperator(operators=3, hidden=16)(unknown, known, ops.array([0])).mean.shape
      TensorShape([1, 5])
    """

    def __init__(
        self,
        operators: int = 3,
        hidden: int = 1024,
        min_log_variance: float = -20.0,
        max_log_variance: float = 20.0,
        compares: bool = False,
        across: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(across, int) or across < 0:
            raise ValueError(f"across is {across}; expected the number of latents, or 0")
        self.operators, self.hidden, self.compares, self.across = operators, hidden, compares, across
        self.min_log_variance, self.max_log_variance = min_log_variance, max_log_variance
        self.inner = keras.layers.Dense(hidden, "relu", name="inner", dtype=self.dtype_policy)
        self.outer = keras.layers.Dense(2 * operators, name="outer", dtype=self.dtype_policy)

    def build(self, *_):  # Whatever the number of latents.
        self.inner.build((None, None, 4 + 2 * self.compares + bool(self.across)))
        self.outer.build((None, None, self.hidden))
        if self.across:
            shape = (self.across, self.across)
            self.fellows = self.add_weight(name="fellows", shape=shape, initializer=keras.initializers.Identity())
        self.built = True

    def call(self, first, second, operator) -> GaussianParameters:
        channels = [*first, *second, *(_comparison(first, second) if self.compares else ())]
        if self.across:
            if first[0].shape[-1] not in (None, self.across):
                raise ValueError(f"across is {self.across}, but there are {first[0].shape[-1]} latents")
            channels.append(ops.matmul(_differ(first, second), ops.transpose(self.fellows)))
        answers = self.outer(self.inner(ops.stack(channels, axis=-1)))
        chosen = ops.one_hot(operator, self.operators, dtype=answers.dtype)[:, None, :]
        means, log_variances = ops.split(answers, 2, axis=-1)
        log_variance = ops.sum(chosen * log_variances, axis=-1)
        log_variance = ops.clip(log_variance, self.min_log_variance, self.max_log_variance)
        return GaussianParameters(ops.sum(chosen * means, axis=-1), log_variance)

    def compute_output_shape(self, first_shape, second_shape, operator_shape) -> GaussianParameters:
        return GaussianParameters(*(tuple(shape) for shape in first_shape))

    def get_config(self) -> dict:
        sizes = {"operators": self.operators, "hidden": self.hidden}
        told = {"compares": self.compares, "across": self.across}
        limits = {"min_log_variance": self.min_log_variance, "max_log_variance": self.max_log_variance}
        return {**super().get_config(), **sizes, **told, **limits}


def _comparison(first, second) -> tuple:
    """How far the means of two Gaussians are from each other, twice, in logarithms."""
    (mean, log_variance), (other, other_log_variance) = first, second
    square = ops.square(mean - other)
    return ops.log(square + _NEAR), ops.log(square / (ops.exp(log_variance) + ops.exp(other_log_variance)) + _ALIKE)


def _differ(first, second):
    """How surely the means of two Gaussians are not the same: 0 where they are, 1 where they are far apart."""
    (mean, log_variance), (other, other_log_variance) = first, second
    return 1.0 - ops.exp(-ops.square(mean - other) / (4.0 * (ops.exp(log_variance) + ops.exp(other_log_variance))))
