"""Words for digits that are scaled, turned and placed: MNIST-A, beside published figures.

Vedantam et al. 2018 (arXiv 1705.10762): 64 x 64 black and white pictures, four attributes, all training pictures with
words; their models learn for up to 250,000 steps of 64. `scan_mnist_a:jmvae` needs 40 minutes on one CPU core and shows
what was named more often than theirs; SCAN's stages are brief, and see shapes of blobs rather than digits. Numbers are
in docs/results/mnist_attributes.md.

    reverie train --config=scan_mnist_a --workdir=runs/digits --config.data.source=mnist_attributes:mnist.npz
    reverie evaluate --workdir=runs/digits
    reverie imagine --run=runs/digits "small seven clockwise top-left"

Without a file of MNIST's digits those are drawn that ship with the package. `--config.data.combinations=held_out` keeps
36 of the 240 combinations from training. `scan_mnist_a:jmvae` and `scan_mnist_a:telbo` are one joint VAE instead of
stages.
"""

import ml_collections
from reverie.configs import defaults

_VISION = {
    "channels": (8, 16, 32, 64),
    "latents": 16,
    "likelihood": "bernoulli",
}


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant is '{variant}'; expected one of {', '.join(VARIANTS[1:])}, or none")
    config = _MADE[variant]()
    config.model.vision.update(_VISION)
    # Chosen on validation pictures, see docs/results/mnist_attributes.md.
    config.model.guidance = 12.0
    config.model.attempts = 4
    config.model.image_shape = (64, 64, 1)
    config.data.source = "mnist_attributes"
    config.data.image_shape = (64, 64, 1)
    config.data.test_variants = 1  # Enough to measure by; as published: 10.
    config.words.held_out = 0.0  # What is held out, the source says.
    config.words.pairs = 40000  # Of MNIST's own files there are 550,000 pictures; all have words.
    config.train.log_every = 100
    config.schedule.name = "cosine"
    return config


def _scan() -> ml_collections.ConfigDict:
    config = defaults.in_stages("scan")
    config.stages.vision.update({"steps": 5000, "batch_size": 64, "unmix_at": (1500, 3000)})
    config.stages.symbols.update({"steps": 6000, "rate": 3e-3})
    config.stages.operators.update({"steps": 4000, "rate": 3e-3})
    return config


def _jmvae() -> ml_collections.ConfigDict:
    config = defaults.in_stages("jmvae")
    config.model.vision.activation = "elu"
    config.model.words_weight = 20.0
    config.stages.joint.update({"steps": 36000, "batch_size": 32, "rate": 1.5e-3})
    return config


def _telbo() -> ml_collections.ConfigDict:
    config = defaults.in_stages("telbo")
    config.model.vision.activation = "elu"
    config.stages.joint.update({"steps": 24000, "batch_size": 32, "rate": 1.5e-3})
    return config


# What follows the colon -> what makes the config.
_MADE = {"": _scan, "jmvae": _jmvae, "telbo": _telbo}
VARIANTS = tuple(_MADE)
