"""Vision alone: a beta-VAE or a rival of it as a family of its own, in one stage, without words.

What the network is and what it is trained by stands in its file (`beta_vae.py`, `beta_tcvae.py`, `factor_vae.py`);
here is what makes a family of it: settings, the stage, endpoints. The stage is that of SCAN, with unmixing as an
option.
"""

import dataclasses
import functools
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from ..layers import Noise
from .beta_vae import ENLARGED, BetaVAE, BetaVAEConfig
from .contract import Capability, Family, Stage, StageSettings
from .limits import CODES, PIXELS
from .network import Network
from .signature import Signature
from .unmixing import unmix


@dataclasses.dataclass(frozen=True)
class VisionStageSettings(StageSettings):
    """The stage of vision in the `stages` section.

    Attributes:
      steps, batch_size, rate: as of every stage.
      unmix_at: steps after which the latents are turned apart by independent component analysis; () for never.
    """

    unmix_at: tuple = ()


@dataclasses.dataclass(frozen=True)
class VisionConfig:
    """The network and its pictures.

    Attributes:
      image_shape: (height, width, channels).
      vision: of the network.
    """

    image_shape: tuple = (64, 64, 3)
    vision: BetaVAEConfig = dataclasses.field(default_factory=BetaVAEConfig)

    def __post_init__(self):
        if self.vision.likelihood == "features":
            raise ValueError(
                "vision.likelihood is 'features', which need the denoising autoencoder of the family scan; expected "
                "gaussian or bernoulli"
            )


@keras.saving.register_keras_serializable("reverie")
class Vision(Network):
    """The beta-VAE alone; images are float32 [n, h, w, c] in [0, 1].

    Example:
      >>> small = BetaVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> model = Vision(VisionConfig(image_shape=(16, 16, 3), vision=small))
      >>> model.encode(tf.zeros([2, 16, 16, 3]))["mean"].shape
      TensorShape([2, 3])
    """

    settings = VisionConfig
    network: ClassVar[type[BetaVAE]] = BetaVAE

    def __init__(self, config: VisionConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.vision = self.network(config.vision, name="vision")
        self.built = True

    def stages(self) -> list[Stage]:
        """The one stage; see `Stage`."""
        return [
            Stage(
                name="vision",
                part="vision",
                variables=self.vision.trainable_variables,
                losses=lambda first_step, held_out: functools.partial(self.losses, first_step=first_step),
                gives=("vision",),
                unmix=functools.partial(unmix, self.vision),
                settles=self.vision.settles,
                whole_batch=self.vision.whole_batch,
            )
        ]

    def losses(self, batch: dict, noise: Noise, training: bool = True, first_step: int = 0) -> dict:
        """The network's objective; see `BetaVAE.losses`."""
        del training
        return self.vision.losses(batch, noise, first_step=first_step)

    def encode(self, images) -> dict:
        """{"mean", "log_variance"} of q(z | x), float32 [n, latents]."""
        mean, log_variance = self.vision.code(images)
        return {"mean": mean, "log_variance": log_variance}

    def decode(self, mean) -> dict:
        """{"images"} that latents float32 [n, latents] stand for."""
        return {"images": self.vision.decode(mean)}

    def reconstruct(self, images) -> dict:
        """{"images"}, of the posteriors' means."""
        return {"images": self.vision.reconstruct(images)}

    def generate(self, count, seed) -> dict:
        """Imagines anything: `count` pictures of latents from the prior; the same `seed` (int32 [2]), the same ones."""
        latents = tf.random.stateless_normal([count, self.config.vision.latents], seed, alg="philox")
        return {"images": self.vision.decode(latents)}

    def signatures(self) -> dict[str, Signature]:
        """Endpoints for export; see `Signature`."""
        return signatures(self)

    def call(self, images):
        return self.reconstruct(images)["images"]


def signatures(model) -> dict[str, Signature]:
    """Endpoints of a model that turns images into latents and back; see `Signature`."""
    images = {"images": tf.TensorSpec([None, *model.config.image_shape], tf.float32, name="images")}
    code = {"mean": tf.TensorSpec([None, model.config.vision.latents], tf.float32, name="mean")}
    request = {
        "count": tf.TensorSpec([], tf.int32, name="count"),
        "seed": tf.TensorSpec([2], tf.int32, name="seed"),
    }
    enlarged = ENLARGED[model.config.vision.color_space]

    def as_images(x):
        return {"images": x}

    def as_code(x):
        return {"mean": model.encode(tf.constant(x))["mean"].numpy()}

    def as_request(x):
        return {"count": np.int32(len(x)), "seed": np.array([1, 2], np.int32)}

    return {
        "encode": Signature(
            model.encode,
            images,
            as_images,
            {"images": PIXELS},
            lite=True,
            meaning="images to mean and log variance of their latents",
        ),
        "decode": Signature(
            model.decode, code, as_code, {"mean": CODES}, enlarged, lite=True, meaning="latents to images"
        ),
        "reconstruct": Signature(
            model.reconstruct,
            images,
            as_images,
            {"images": PIXELS},
            enlarged,
            meaning="images to the images decoded from their latents",
        ),
        "generate": Signature(
            model.generate,
            request,
            as_request,
            amplification=enlarged,
            meaning="imagines anything; the same seed gives the same images",
        ),
    }


def family_of(name: str, build: type[Vision], summary: str, paper: str) -> Family:
    """The family of a network that sees and has no words."""
    return Family(
        name=name,
        settings=build.settings,
        build=build,
        summary=summary,
        paper=paper,
        evaluation="reverie.evaluation.vision",
        kinds=("staged",),
        capabilities=frozenset({Capability.STAGES}),
        stages={"vision": VisionStageSettings},
    )


FAMILY = family_of(
    "beta_vae",
    Vision,
    "a beta-VAE that finds the causes of pictures without labels, alone",
    "Higgins et al. 2017",
)
