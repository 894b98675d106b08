"""Latents that are the causes of pictures, found without a label: beta-VAE, beta-TCVAE and FactorVAE, with unmixing.

Drawn pictures with the six factors of Shapes3D (pipelines/scenes/shapes3d_like.py): 450,000 of the 480,000 combinations
train, 15,000 are for choosing settings and 15,000 are read once, for the numbers. Sized for ten minutes on one CPU
core: 192,000 pictures are seen. As in scan_scenes, beta is held high while causes come into use, their latents are
turned apart (models/unmixing.py), here six times, then beta falls so that latents are filled.

    reverie train --config=disentangle_shapes3d --workdir=runs/beta_vae
    reverie evaluate --workdir=runs/beta_vae

Rivals and variants follow a colon: `disentangle_shapes3d:beta_tcvae` (Chen et al. 2018),
`disentangle_shapes3d:factor_vae` (Kim and Mnih 2018), and each without unmixing: `:beta_vae_mixed`,
`:beta_tcvae_mixed`, `:factor_vae_mixed`. Measured numbers and times: docs/results/disentanglement.md.
"""

import ml_collections
from reverie.configs import defaults

_VISION = {
    "channels": (16, 32, 64, 64),
    "activation": "elu",
    "latents": 16,
    "precision": 200.0,  # Of a number of a pixel: a deviation of 0.07.
    "objective": "annealed",
    "beta_start": 100.0,
    "beta": 10.0,  # Log-likelihood summed over pixels, divergence over latents.
    "hold_steps": 8000,
    "ramp_steps": 2600,
    "color_space": "chroma",
}
_STAGE = {"steps": 12000, "batch_size": 16, "unmix_at": (1000, 2000, 3000, 4500, 6000, 7500)}
# What is different of a rival. It lets the divergence weigh 1, so the pixels weigh less: precision 10 against 1 is as
# 200 against a beta of 20. Total correlation needs more rows a step; of pictures there are as many.
_RIVAL_STAGE = {"steps": 6000, "batch_size": 32, "unmix_at": (500, 1000, 1500, 2250, 3000, 3750)}
_FIXED = {"precision": 10.0, "objective": "fixed"}
_RIVALS = {
    "beta_vae": ({}, {}),
    "beta_tcvae": ({**_FIXED, "beta": 6.0}, _RIVAL_STAGE),
    "factor_vae": ({**_FIXED, "beta": 1.0, "gamma": 20.0}, _RIVAL_STAGE),
}
_MIXED = "_mixed"
VARIANTS = (*_RIVALS, *(f"{rival}{_MIXED}" for rival in _RIVALS))


def get_config(variant: str = "beta_vae") -> ml_collections.ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant is '{variant}'; expected one of {', '.join(VARIANTS)}, or none")
    rival = variant.removesuffix(_MIXED)
    config = defaults.in_stages(rival)
    config.data.source = "scenes:shapes3d_like"
    config.data.image_shape = (64, 64, 3)
    config.model.image_shape = (64, 64, 3)
    vision, stage = _RIVALS[rival]
    config.model.vision.update({**_VISION, **vision})
    config.stages.vision.update({**_STAGE, **stage})
    if variant.endswith(_MIXED):
        config.stages.vision.unmix_at = ()
    config.train.log_every = 100
    config.schedule.name = "cosine"
    return config
