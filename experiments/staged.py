"""Runs in stages, on pictures with words or without: see `training.stages`."""

import pathlib
from typing import Any

import ml_collections

from .. import pipelines
from ..evaluation import EvaluationData
from ..training import stages
from .plain import Plain
from .reading import read_images


class Staged(Plain):
    """See `kinds.Kind`."""

    name = "staged"
    section = "stages"

    def settle(self, config: ml_collections.ConfigDict) -> dict[str, pipelines.Images]:
        """The attributes that the data has belong to the settings that the run is known by."""
        sets = read_images(config, "train", "validation")
        stages.name_attributes(config, sets["train"])
        return sets

    def phases(self, config, model, images, strategy, begun: bool = False) -> list:
        with strategy.scope():
            return stages.phases(config, model, images, strategy, begun)

    def facts(self, config: ml_collections.ConfigDict, model: Any, step: int) -> stages.StagesFacts:
        return stages.facts(config, model, step)

    def judged(
        self, config: ml_collections.ConfigDict, workdir: pathlib.Path, model: Any, step: int, data: EvaluationData
    ) -> pipelines.Images | None:
        del workdir
        end = 0
        for stage in model.stages():
            end += int(config.stages[stage.name].steps)
            if "vision" in stage.gives:
                # In the middle of the stage its codes may be those of its beginning, when the prior outweighs all.
                return data.test if step >= end and "vision" in stages.trained(config, model, step) else None
        return None
