"""What tests take of a run below the one call that a user makes: its model and phases, before the loop has them."""

from reverie import models
from reverie.experiments import Run, kind_of, loop_settings, read_images, read_streams

__all__ = ["load", "loop_settings", "model_and_phases", "prepare", "read_images", "read_streams"]


def load(folder) -> tuple:
    """(config, model with its trained weights, step) of a run folder."""
    run = Run(folder)
    return run.config, run.model, run.step


def model_and_phases(config, images, strategy) -> tuple:
    """(model, phases) of a run on given images."""
    kind = kind_of(config)
    with strategy.scope():
        model = models.build(kind.model_section(config), config.seed)
    return model, kind.phases(config, model, images, strategy)


def prepare(config, strategy, folder):
    """Everything that the loop takes for a run."""
    kind = kind_of(config)
    return kind.prepare(config, strategy, folder, kind.settle(config))
