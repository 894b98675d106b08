"""Taking weights over from another run, and the two phases of learning labels on top of them.

First the head alone, on features that stay as they are; then everything together, slower (Le et al. 2012, section 6).
A head that starts from scratch would otherwise send its first gradients through features that took long to learn.
"""

import dataclasses
from typing import Any

import tensorflow as tf

from ..errors import UserError
from .checkpoints import latest, misfit, reading
from .loop import Phase
from .schedules import check_rate


def take(folder: str, setting: str, receiver: tf.Module, expected: str, **beside: tf.Module) -> None:
    """Puts weights of another run's newest checkpoint into this model.

    Args:
      folder: of the run.
      setting: the setting that named it, for errors.
      receiver: a model like the other run's, or a module with some of its attributes.
      expected: what the other run's weights should have been, for errors.
      **beside: what else of the checkpoint is wanted, under its name there.

    Raises:
      UserError: no such run, a damaged checkpoint, or weights of other shapes.
    """
    path = latest(f"{folder}/checkpoints")
    if path is None:
        raise UserError(f"{setting} is {folder}, which holds no checkpoint; train it first")
    try:
        with reading(path) as name:
            status = tf.train.Checkpoint(model=receiver, **beside).restore(name)
            status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{setting} is {folder}; its weights are not those of {expected}: {misfit(error)}") from None


@dataclasses.dataclass(frozen=True)
class TransferSettings:
    """The `transfer` section of a config.

    Attributes:
      pretrained: run folder of the network, or "" to start from nothing.
      head_steps: steps in which the head alone learns; with 0 there is no such phase.
      rate: peak learning rate once everything learns.

    Raises:
      UserError: a negative number of steps, a rate that is none.
    """

    pretrained: str = ""
    head_steps: int = 1000
    rate: float = 1e-4

    def __post_init__(self):
        if self.head_steps < 0:
            raise UserError(f"transfer.head_steps is {self.head_steps}; expected 0 or more")
        check_rate("transfer.rate", self.rate)


def phases(settings: TransferSettings, model: Any, whole: Phase, begun: bool = False) -> list[Phase]:
    """The head's phase and the phase of everything.

    Args:
      settings: the `transfer` section.
      model: with `network`, `head_variables()` and `all_variables()`; see `models.contract.OnTop`.
      whole: the run as one phase; its steps are shared out.
      begun: whether there is a checkpoint, with what was taken over.

    Raises:
      UserError: no such run, more steps for the head than there are.
    """
    steps = int(settings.head_steps)
    if not 0 <= steps <= whole.steps:
        raise UserError(f"transfer.head_steps is {steps}; expected 0 to train.steps, {whole.steps}")
    hooks = whole.hooks
    if settings.pretrained:
        if not begun:
            network = f"a {type(model.network).__name__.lower()} network on {model.config.image_shape}"
            take(settings.pretrained, "transfer.pretrained", model.network, f"{network} as configured here")
        hooks = dataclasses.replace(hooks, begin=None)
    slower = {**whole.schedule, "rate": float(settings.rate)}
    both = [
        dataclasses.replace(whole, name="head", steps=steps, variables=model.head_variables(), hooks=hooks),
        dataclasses.replace(
            whole, name="all", steps=whole.steps - steps, variables=model.all_variables(), schedule=slower,
            hooks=dataclasses.replace(hooks, begin=None if steps else hooks.begin),
        ),
    ]  # fmt: skip
    return [phase for phase in both if phase.steps]
