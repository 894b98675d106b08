"""SCAN on drawn rooms: beta-VAE, symbols, operators, sized for a quarter of an hour on one CPU core.

Higgins et al. 2018 (arXiv 1707.03389) with its stages and losses. Different: the rooms are drawn (pipelines/scenes),
the paper's are not public; networks and steps are smaller (the paper's sizes: scan_paper.py); pictures are compared by
pixels, hue and saturation as a point in a plane, and so the first stage, the denoising autoencoder, has no steps here
(`:features` trains and uses it). Vision is learned in two parts: beta is held at 100, at a precision of 200, while
causes come into use and their latents are turned apart three times (models/unmixing.py), then falls to 10, so that
latents are filled. Operators are told how surely two concepts differ in all latents (layers/latent_operator.py): a hue
takes two of them. Concepts are meant eight times over where pictures are imagined of them (models/guidance.py). All of
that was chosen on other scenes than the test scenes.

    reverie train --config=scan_scenes --workdir=runs/scan
    reverie evaluate --workdir=runs/scan
    reverie imagine --run=runs/scan "white wall AND red hat"

Baselines and variants follow a colon: `scan_scenes:reverse` (the divergence the other way around),
`scan_scenes:entangled` (beta = 1, never unmixed), `scan_scenes:mixed` (the same beta, never unmixed),
`scan_scenes:latentwise` (operators that see one latent alone, as published), `scan_scenes:compares` (the same, told how
far two means are apart there), `scan_scenes:features` (the paper's likelihood, through a denoising autoencoder, which
is then the first stage), `scan_scenes:jmvae` and `scan_scenes:telbo` (one joint VAE instead of stages). Measured
numbers and times: docs/results/scan_scenes.md.
"""

import ml_collections
from reverie.configs import defaults

_VISION = {
    "channels": (16, 32, 64, 64),
    "activation": "elu",
    "precision": 200.0,  # Of a number of a pixel: a deviation of 0.07.
    "objective": "annealed",
    "beta_start": 100.0,
    "beta": 10.0,  # Log-likelihood summed over pixels, divergence over latents.
    "hold_steps": 5500,
    "ramp_steps": 2000,
    "color_space": "chroma",
}
# What a variant changes.
_CHANGES = {
    "reverse": {"model.symbols.divergence": "reverse"},
    "entangled": {"model.vision.objective": "fixed", "model.vision.beta": 1.0, "stages.vision.unmix_at": ()},
    "mixed": {"stages.vision.unmix_at": ()},
    # Nothing of one latent says that two colors which agree there are not the same, so few of them are shown.
    "latentwise": {"model.recombination.across_latents": False, "model.recombination.conflicts": 0.25},
    "compares": {
        "model.recombination.across_latents": False,
        "model.recombination.compares": True,
        "model.recombination.conflicts": 0.1,
    },
    # Betas are in units of the squared distance itself, not halved. What J does not see is painted as it comes, so
    # pictures are shown through J.
    "features": {
        "model.vision.likelihood": "features",
        "model.vision.precision": 1.0,
        "model.vision.beta_start": 1.0,
        "model.vision.beta": 0.02,
        "model.view": "denoised",
        "stages.denoising.steps": 16000,
        "stages.denoising.batch_size": 32,
    },
}
# Families that are one joint VAE.
_JOINT = ("jmvae", "telbo")
VARIANTS = ("", *_CHANGES, *_JOINT)


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant is '{variant}'; expected one of {', '.join(VARIANTS[1:])}, or none")
    return joint_vae(variant) if variant in _JOINT else _scan(_CHANGES.get(variant, {}))


def joint_vae(family: str) -> ml_collections.ConfigDict:
    """A joint VAE on drawn rooms, for other data to start from as well.

    Args:
      family: "jmvae" or "telbo".
    """
    config = defaults.in_stages(family)
    _common(config)
    # Settings of their own, in which JMVAE does better than in SCAN's.
    config.model.vision.update({"objective": "fixed", "beta": 1.0, "precision": 50.0, "color_space": "rgb"})
    config.stages.joint.update({"steps": 12000, "batch_size": 16})
    return config


def _scan(changes: dict) -> ml_collections.ConfigDict:
    config = defaults.in_stages("scan")
    _common(config)
    config.model.denoising.channels = (16, 32, 64, 64)
    config.stages.denoising.batch_size = 16
    config.stages.vision.update({"steps": 8400, "batch_size": 64, "unmix_at": (1500, 3000, 4500)})
    config.stages.symbols.update({"steps": 10000, "rate": 3e-3})
    config.stages.operators.update({"steps": 8000, "rate": 3e-3})
    config.model.recombination.update({"across_latents": True, "conflicts": 0.5})
    config.update_from_flattened_dict(changes)
    return config


def _common(config: ml_collections.ConfigDict) -> None:
    config.data.source = "scenes"  # 50,000 training scenes.
    config.data.image_shape = (64, 64, 3)
    config.model.image_shape = (64, 64, 3)
    config.model.vision.update(_VISION)
    config.model.guidance = 8.0
    config.train.log_every = 100
    config.schedule.name = "cosine"
