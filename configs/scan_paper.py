"""SCAN at the paper's sizes, for one GPU: the feature likelihood, beta 53, pictures as hue, saturation and value.

Higgins et al. 2018 (arXiv 1707.03389): convolutions of 32, 32, 64 and 64 channels, 256 dense units, 32 latents; SCAN
with 100 hidden units, beta_y 1, lambda 10. The denoising autoencoder is that of DARLA (arXiv 1707.08475, A.3): a
bottleneck of 100, ReLU throughout, Adam at 1e-3. The beta-VAE is compared at its last layer, before the non-linearity:
the squared distance of what it makes of a drawn picture and of the true one, summed over pixels and not halved, which
is the scale on which the paper has its beta of 53; Adam at 1e-4, batches of 100. On the drawn rooms that beta leaves
two latents in use at the sizes of scan_scenes (docs/results/scan_scenes.md): expect to lower it,
--config.model.vision.beta=0.1. Pictures are shown through the autoencoder (`model.view`). The numbers of steps are
ours. Counted at 110 MFLOP a picture forward and backward and half as much again for the autoencoder: 1.5 million steps
of 100 are 2.5e16 FLOP, an hour at 7 TFLOP/s; it was not run here.

    reverie train --config=scan_paper --workdir=runs/scan_paper
"""

import ml_collections
from reverie.configs import scan_scenes


def get_config() -> ml_collections.ConfigDict:
    config = scan_scenes.get_config("features")
    config.data.source = "scenes:400000"
    config.data.memory_gib = 8.0
    config.model.denoising.channels = (32, 32, 64, 64)
    config.model.vision.channels = (32, 32, 64, 64)
    config.model.vision.activation = "relu"
    config.model.vision.objective = "fixed"
    config.model.vision.precision = 1.0
    config.model.vision.beta = 53.0
    config.model.vision.color_space = "hsv"
    config.stages.vision.unmix_at = ()  # As in the paper.
    config.model.recombination.hidden = 1024
    for stage, steps, rate in (
        ("denoising", 200_000, 1e-3),
        ("vision", 1_500_000, 1e-4),
        ("symbols", 100_000, 1e-4),
        ("operators", 100_000, 1e-4),
    ):
        config.stages[stage].update({"steps": steps, "batch_size": 100, "rate": rate})
    config.train.log_every = 1000
    config.train.checkpoint_every = 10_000
    config.schedule.name = "constant"
    return config
