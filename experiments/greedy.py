"""Runs that learn layer after layer, then everything together: see `training.greedy`."""

import tensorflow as tf

from ..errors import UserError
from ..models import settings
from ..pipelines import drawn
from ..training import greedy
from .plain import Plain, whole

_SAMPLED = 50


class Greedy(Plain):
    """See `kinds.Kind`."""

    name = "greedy"
    section = "greedy"

    def phases(self, config, model, images, strategy: tf.distribute.Strategy) -> list:
        try:
            chosen = settings.read(greedy.GreedySettings, config.greedy.to_dict())
        except ValueError as error:
            raise UserError(f"greedy: {error}") from None
        # Without a number of steps of its own, nothing is trained together.
        none = 0 if not config.train.steps and not config.train.epochs else None
        together = whole(config, model, images, strategy, none)
        with strategy.scope():
            if chosen.start_from:
                _spread(model, chosen.start_from, images)
            replicas = strategy.num_replicas_in_sync
            return greedy.phases(chosen, model, images, together, int(config.seed), replicas)


def _spread(model, folder: str, images) -> None:
    from .run import Run, load  # A run is trained by kinds, this one among them.

    said = f"greedy.start_from is {folder}, which this network cannot start from"
    try:
        run = load(folder)
    except UserError as error:
        raise UserError(f"{said}: {error}") from None
    if not isinstance(run, Run) or type(run.model) is not type(model):
        raise UserError(f"{said}: it is {run}; expected a run of the same family")
    try:
        model.spread(run.model, drawn(images, _SAMPLED)["image"])
    except ValueError as error:
        raise UserError(f"{said}: {error}") from None
