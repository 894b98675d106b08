"""SCAN on drawn rooms: beta-VAE, symbols, operators, sized for a quarter of an hour on one CPU core.

Higgins et al. 2018 (arXiv 1707.03389) with its stages and losses. Different: the rooms are drawn (pipelines/scenes),
the paper's are not public; networks and steps are smaller (the paper's sizes: scan_paper.py); pictures are compared by
pixels, hue and saturation as a point in a plane, and so the first stage, the denoising autoencoder, has no steps here
(`:features` trains and uses it). Vision is learned in two parts: beta is held at 100, at a precision of 200, while
causes come into use and their latents are turned apart three times (models/unmixing.py), then falls to 10, so that
latents are filled. All of that was chosen on other scenes than the test scenes.

    reverie train --config=scan_scenes --workdir=runs/scan
    reverie evaluate --workdir=runs/scan
    reverie imagine --run=runs/scan "white wall AND red hat"

Baselines and variants follow a colon: `scan_scenes:reverse` (the divergence the other way around),
`scan_scenes:entangled` (beta = 1, never unmixed), `scan_scenes:mixed` (the same beta, never unmixed),
`scan_scenes:features` (the paper's likelihood over denoising features), `scan_scenes:jmvae` (one joint VAE instead of
stages). Measured numbers and times: BUILD_NOTES.md, "Results".
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
VARIANTS = ("", "reverse", "entangled", "mixed", "features", "jmvae")


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant is '{variant}'; expected one of {', '.join(VARIANTS[1:])}, or none")
    config = defaults.in_stages("scan")
    config.data.source = "scenes"  # 50,000 training scenes.
    config.data.image_shape = (64, 64, 3)
    config.model.image_shape = (64, 64, 3)
    config.model.denoising.channels = (16, 32, 64, 64)
    config.model.vision.update(_VISION)
    config.stages.denoising.batch_size = 16
    config.stages.vision.update({"steps": 8400, "batch_size": 64, "unmix_at": (1500, 3000, 4500)})
    config.stages.symbols.update({"steps": 10000, "rate": 3e-3})
    config.stages.operators.update({"steps": 8000, "rate": 3e-3})
    config.train.log_every = 100
    config.schedule.name = "cosine"
    return _variant(config, variant)


def _variant(config, variant: str):
    if variant == "reverse":
        config.model.symbols.divergence = "reverse"
    elif variant == "entangled":
        config.model.vision.objective = "fixed"
        config.model.vision.beta = 1.0
        config.stages.vision.unmix_at = ()
    elif variant == "mixed":
        config.stages.vision.unmix_at = ()
    elif variant == "features":
        config.model.vision.likelihood = "features"
        config.model.vision.precision = 2000.0  # Of a feature; there are a hundred of them, not 12,288.
        config.stages.denoising.steps = 4000
    elif variant == "jmvae":
        joint = defaults.in_stages("jmvae")
        joint.data.update(config.data)
        joint.train.update(config.train)
        joint.schedule.name = config.schedule.name
        joint.model.vision.update(config.model.vision)
        # Settings of its own, in which it does better than in those above.
        joint.model.vision.update({"objective": "fixed", "beta": 1.0, "precision": 50.0, "color_space": "rgb"})
        joint.stages.joint.update({"steps": 12000, "batch_size": 16})
        return joint
    return config
