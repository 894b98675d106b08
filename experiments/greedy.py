"""Runs that learn layer after layer, then everything together: see `training.greedy`."""

import tensorflow as tf

from ..errors import UserError
from ..pipelines import drawn
from ..stored import read_object
from ..training import greedy
from .plain import Plain, whole

_SAMPLED = 50


class Greedy(Plain):
    """See `kinds.Kind`."""

    name = "greedy"
    section = "greedy"

    def phases(self, config, model, images, strategy: tf.distribute.Strategy, begun: bool = False) -> list:
        chosen = self.own_settings(config, greedy.GreedySettings)
        # Where the section train says nothing, nothing is trained together.
        steps = None if config.train.steps or config.train.epochs else 0
        together = whole(config, model, images, strategy, steps)
        with strategy.scope():
            if chosen.start_from and not begun:
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
        found = f"a run of {run.family.name}" if isinstance(run, Run) else "a published version"
        raise UserError(f"{said}: it is {found}; expected a run folder of the same family")
    told = read_object(run.folder / "run.json")
    if "finished" not in told or told.get("signal") is not None:
        raise UserError(f"{said}: it was stopped at step {run.step}; let it come to its end first")
    try:
        model.spread(run.model, drawn(images, _SAMPLED)["image"])
    except ValueError as error:
        raise UserError(f"{said}: {error}") from None
