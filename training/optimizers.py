"""Optimizers as in-place updates of TensorFlow's fused kernels.

Keras 3 optimizers are written as separate operations, about ten passes over the weights on a CPU (measured:
38 ms against 11 ms for 1.07 M weights under Adam). TensorFlow has one fused kernel each for the classical
rules; `Fused` calls it on the replica's own copy of every variable, after the gradients were summed over the
replicas. What has no kernel falls through to Keras.
"""

import contextlib
import dataclasses
import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from ..errors import UserError, first_line

# Arguments of Keras optimizers that are not settings of ours: the schedule gives the rate, and losses are not scaled.
_NOT_OURS = ("learning_rate", "name", "loss_scale_factor")
# What is right of a number, and in words.
_SHARE = (lambda value: 0.0 <= value < 1.0, "at least 0 and below 1")
_POSITIVE = (lambda value: 0.0 < value < math.inf, "a finite number above 0")
_NOT_NEGATIVE = (lambda value: 0.0 <= value < math.inf, "a finite number, 0 or more")
_ANYTHING = (lambda value: True, "")
# Of the settings of the rules here and of Keras' optimizers alike.
_RANGES = {
    **dict.fromkeys(("beta_1", "beta_2", "adam_beta_1", "adam_beta_2", "rho", "momentum", "ema_momentum"), _SHARE),
    **dict.fromkeys(("epsilon", "epsilon_1", "epsilon_2", "clip_threshold"), _POSITIVE),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), _POSITIVE),
    **dict.fromkeys(("weight_decay", "adam_weight_decay"), _NOT_NEGATIVE),
    **dict.fromkeys(("initial_accumulator", "initial_accumulator_value"), _NOT_NEGATIVE),
}


@dataclasses.dataclass(frozen=True)
class SGDSettings:
    """Of "sgd": none. w <- w - rate g."""


@dataclasses.dataclass(frozen=True)
class MomentumSettings:
    """Of "momentum".

    Attributes:
      momentum: share of the last step that is kept.
      nesterov: whether the gradient counts as taken ahead of the step.
    """

    momentum: float = 0.9
    nesterov: bool = False


@dataclasses.dataclass(frozen=True)
class AdagradSettings:
    """Of "adagrad" (Duchi et al. 2011).

    Attributes:
      initial_accumulator: where the sums of squared gradients start.
      epsilon: added to their root.
    """

    initial_accumulator: float = 0.1
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True)
class AdadeltaSettings:
    """Of "adadelta" (Zeiler 2012).

    Attributes:
      rho: decay of the running means.
      epsilon: added under their roots.
    """

    rho: float = 0.95
    epsilon: float = 1e-6


@dataclasses.dataclass(frozen=True)
class AdamSettings:
    """Of "adam" (Kingma and Ba 2015), with decoupled weight decay (AdamW, Loshchilov and Hutter 2019).

    Attributes:
      beta_1, beta_2: decay of the running means of gradients and of their squares.
      epsilon: added to the root of the latter.
      weight_decay: share of a weight taken off with each step, times the rate.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0


RuleSettings = SGDSettings | MomentumSettings | AdagradSettings | AdadeltaSettings | AdamSettings


def make_optimizer(section: Mapping, variables: list) -> "Fused | FromKeras":
    """An optimizer from the `optimizer` section of a config.

    Args:
      section: {"name": ..., the rule's own numbers}; see the settings above. Names without a kernel are Keras class
        names, for example "Lion" or "Nadam", and take Keras' arguments.
      variables: Keras variables to train.

    Returns:
      The optimizer, with its slots.

    Raises:
      UserError: as `check`.

    Example:
      >>> make_optimizer({"name": "momentum", "nesterov": True}, [keras.Variable([1.0])]).settings.momentum
      0.9
    """
    check(section)
    settings = dict(section)
    name = settings.pop("name", None)
    if name in _RULES:
        return Fused(name, variables, _RULES[name].settings(**settings))
    known = known_settings(name)
    try:
        return FromKeras(getattr(keras.optimizers, name)(**settings), variables)
    except (TypeError, ValueError) as error:
        said = ", ".join(f"optimizer.{setting}={value!r}" for setting, value in settings.items())
        usual = ", ".join(f"{setting}={default!r}" for setting, default in known.items())
        raise UserError(
            f"optimizer.name is '{name}' with {said or 'its defaults'}: {first_line(error)}; it takes {usual}"
        ) from None


def check(section: Mapping) -> None:
    """Refuses an optimizer that cannot be made, or one whose numbers would not train anything.

    Args:
      section: as of `make_optimizer`.

    Raises:
      UserError: an unknown name or setting, or a number out of its range.

    Example:
      >>> check({"name": "adam", "beta_1": 7})
      Traceback (most recent call last):
      ...
      reverie.errors.UserError: optimizer.beta_1 is 7; expected at least 0 and below 1
    """
    settings = dict(section)
    name = settings.pop("name", None)
    known = known_settings(name)
    unknown = set(settings) - set(known)
    if name in _RULES and unknown:
        raise UserError(f"optimizer '{name}' does not know {sorted(unknown)}; it takes {sorted(known)}")
    for setting, value in settings.items():
        if name in _RULES and not isinstance(value, numbers.Real):
            raise UserError(f"optimizer.{setting} is {value!r}; expected a number, as {known[setting]}")
        right, words = _RANGES.get(setting, _ANYTHING)
        if isinstance(value, numbers.Real) and not right(value):
            raise UserError(f"optimizer.{setting} is {value:g}; expected {words}")


def known_settings(name: str | None) -> dict[str, Any]:
    """Every setting of its own that an optimizer has: setting -> default.

    Args:
      name: a rule's, or the class name of a Keras optimizer.

    Raises:
      UserError: no such optimizer.

    Example:
      >>> known_settings("adadelta")
      {'rho': 0.95, 'epsilon': 1e-06}
    """
    if name in _RULES:
        return {field.name: field.default for field in dataclasses.fields(_RULES[name].settings)}
    kind = getattr(keras.optimizers, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)):
        raise UserError(f"optimizer.name is '{name}'; expected {', '.join(_RULES)} or the name of a Keras optimizer")
    parameters = inspect.signature(kind).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in _NOT_OURS}


class Fused(tf.Module):
    """One of the classical rules as a fused kernel.

    Arguments:
      rule: "sgd", "momentum", "adagrad", "adadelta" or "adam" (with decoupled weight decay, AdamW).
      variables: the variables to train; slots are made beside them, so build it inside the strategy's scope.
      settings: the rule's own numbers, one of the classes above.
    """

    inside_cond = True  # No collective inside `apply`: the loop may guard it with tf.cond.

    def __init__(self, rule: str, variables: list, settings: RuleSettings):
        super().__init__(name=rule)
        self.settings, self._update = settings, _RULES[rule].update
        self.slots = [[_beside(v, value) for value in _RULES[rule].slots(settings)] for v in variables]

    def apply(
        self, gradients: list, variables: list, rate: tf.Tensor, step: tf.Tensor, chosen: list[int] | None = None
    ) -> None:
        """Updates the replica's copies in place.

        Args:
          gradients: already summed over replicas.
          variables: as given to the constructor, or some of them.
          rate: learning rate, float32 scalar.
          step: int64 scalar, steps done before this one.
          chosen: which ones `variables` are, as places in the constructor's list; None is all.
        """
        slots_of = self.slots if chosen is None else [self.slots[place] for place in chosen]
        for variable, gradient, slots in zip(variables, gradients, slots_of, strict=True):
            self._update(variable, gradient, slots, tf.cast(rate, variable.dtype), step, self.settings)


class FromKeras(tf.Module):
    """Any Keras optimizer behind the same call, for the rules without a fused kernel."""

    inside_cond = False  # Keras all-reduces inside `apply`, which a conditional would forbid.

    def __init__(self, optimizer: keras.optimizers.Optimizer, variables: list):
        super().__init__(name=optimizer.name)
        self.optimizer = optimizer
        optimizer.build(variables)

    def apply(
        self, gradients: list, variables: list, rate: tf.Tensor, step: tf.Tensor, chosen: list[int] | None = None
    ) -> None:
        """As `Fused.apply`; Keras sums over replicas once more, so each replica hands in its share.

        Raises:
          UserError: only some variables are given; Keras counts every call as a step.
        """
        del step
        if chosen is not None:
            raise UserError(f"training in parts needs one of the optimizers {', '.join(_RULES)}")
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply([gradient / replicas for gradient in gradients], variables)


def _beside(variable: keras.Variable, value: float) -> tf.Variable:
    """A slot of a variable; on parameter servers it must lie where the variable does."""
    tensor, strategy = getattr(variable, "value", variable), tf.distribute.get_strategy()
    with strategy.extended.colocate_vars_with(tensor) if tensor.device else contextlib.nullcontext():
        return tf.Variable(
            tf.fill(variable.shape, tf.constant(value, variable.dtype)),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )


# ---- the rules


def _sgd(variable, gradient, slots, rate, _, settings: SGDSettings) -> None:
    del slots, settings
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)


def _momentum(variable, gradient, slots, rate, _, settings: MomentumSettings) -> None:
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=slots[0].handle,
        lr=rate,
        grad=gradient,
        momentum=settings.momentum,
        use_nesterov=bool(settings.nesterov),
    )


def _adagrad(variable, gradient, slots, rate, _, settings: AdagradSettings) -> None:
    tf.raw_ops.ResourceApplyAdagradV2(
        var=variable.handle, accum=slots[0].handle, lr=rate, epsilon=settings.epsilon, grad=gradient
    )


def _adadelta(variable, gradient, slots, rate, _, settings: AdadeltaSettings) -> None:
    tf.raw_ops.ResourceApplyAdadelta(
        var=variable.handle,
        accum=slots[0].handle,
        accum_update=slots[1].handle,
        lr=rate,
        rho=settings.rho,
        epsilon=settings.epsilon,
        grad=gradient,
    )


def _adam(variable, gradient, slots, rate, step, settings: AdamSettings) -> None:
    beta_1, beta_2 = settings.beta_1, settings.beta_2
    count = tf.cast(step + 1, tf.float32)
    if settings.weight_decay:
        # Decoupled decay (AdamW): shrink before the step, not through the gradient.
        decay = rate * settings.weight_decay
        tf.raw_ops.AssignSubVariableOp(resource=variable.handle, value=decay * tf.convert_to_tensor(variable))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=slots[0].handle,
        v=slots[1].handle,
        beta1_power=tf.pow(beta_1, count),
        beta2_power=tf.pow(beta_2, count),
        lr=rate,
        beta1=beta_1,
        beta2=beta_2,
        epsilon=settings.epsilon,
        grad=gradient,
    )


@dataclasses.dataclass(frozen=True)
class _Rule:
    """A rule with a fused kernel.

    Attributes:
      update: (variable, gradient, slots, rate, step, settings) -> None, in place.
      slots: settings -> the initial value of each slot of a variable.
      settings: the class of its settings.
    """

    update: Callable
    slots: Callable
    settings: type


_RULES: dict[str, _Rule] = {
    "sgd": _Rule(_sgd, lambda settings: (), SGDSettings),
    "momentum": _Rule(_momentum, lambda settings: (0.0,), MomentumSettings),
    "adagrad": _Rule(_adagrad, lambda settings: (settings.initial_accumulator,), AdagradSettings),
    "adadelta": _Rule(_adadelta, lambda settings: (0.0, 0.0), AdadeltaSettings),
    "adam": _Rule(_adam, lambda settings: (0.0, 0.0), AdamSettings),
}
