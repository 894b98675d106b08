"""Vision alone: no words are needed, what needs them is not there, and all variants of its config are runs."""

import dataclasses
import json

import numpy as np
import pytest
import reverie
from reverie import models, pipelines
from reverie.configs import disentangle_shapes3d
from reverie.errors import UserError
from reverie.models import Capability

from ..conftest import colored_bars, tiny_vision


def test_pictures_without_labels_teach_vision_and_the_scores_that_need_labels_are_left_out(tmp_path):
    bars = colored_bars(200)
    unlabeled = dataclasses.replace(bars, labels=np.full(len(bars), pipelines.UNLABELED, np.int32))
    source = pipelines.give(unlabeled.pixels)
    run = reverie.train(tiny_vision(**{"data.source": source}), tmp_path / "run")
    assert run.outcome.step == 40 and "words" not in run.config
    numbers = run.evaluate()
    assert numbers["reconstruction"] < 0.2 and not [name for name in numbers if "disentanglement" in name]
    shown = json.loads((tmp_path / "run" / "pictures" / "captions.json").read_text())
    assert set(shown) == {"reconstructions", "traversals"}


def test_latents_are_unmixed_at_their_steps_or_never(tmp_path):
    weights = []
    for steps in ((), (20,)):
        config = tiny_vision(**{"data.source": pipelines.give(colored_bars(200)), "stages.vision.unmix_at": steps})
        weights.append(reverie.train(config, tmp_path / f"{len(steps)}").model.get_weights())
    assert max(np.abs(a - b).max() for a, b in zip(*weights, strict=True)) > 1e-3


@pytest.mark.parametrize("variant", disentangle_shapes3d.VARIANTS)
def test_a_variant_is_a_run_of_its_family_that_is_unmixed_unless_it_says_otherwise(variant):
    config = disentangle_shapes3d.get_config(variant)
    assert config.model.family == variant.removesuffix("_mixed") and Capability.STAGES in models.family(
        config.model.family
    ).capabilities  # fmt: skip
    assert bool(config.stages.vision.unmix_at) == (not variant.endswith("_mixed"))
    assert max(config.stages.vision.unmix_at, default=0) < config.stages.vision.steps
    assert models.build(config.model.to_dict()).config.vision.latents == config.model.vision.latents


def test_features_need_the_family_that_has_them():
    with pytest.raises(UserError, match="likelihood is 'features', which need the denoising autoencoder"):
        models.build({"family": "beta_vae", "vision": {"likelihood": "features"}})
