"""Vision alone, as numbers and pictures: how well it reconstructs, and whether its latents are the pictures' causes.

The scores of disentanglement are taken with the field's counts of pictures (`disentanglement.FIELD`), by the true
causes of the test pictures, which training never saw; of pictures without labels the scores are left out.
"""

import numpy as np
import tensorflow as tf

from .. import pipelines
from ..layers import divergence_by_latent
from . import disentanglement, pictures
from .codes import over, some_images
from .contract import RECONSTRUCTION, EvaluationData, Headline, Picture

HEADLINES = {
    "disentanglement_dci_disentanglement": Headline(
        "whether a latent stands for one cause of the pictures only (DCI)",
        "1 is perfect; the best VAE published for Shapes3D reaches 0.78",
        better="higher",
    ),
    "disentanglement_factor_vae": Headline(
        "how often the cause that pictures share is told by the latent that varies least among them (FactorVAE score)",
        "1 is perfect; guessing comes to one over the number of causes",
        better="higher",
    ),
    "disentanglement_mig": Headline(
        "by how much one latent alone knows a cause better than any other (MIG)",
        "1 is perfect; a cause spread over two latents, as a hue on a circle, counts against it",
        better="higher",
    ),
    "reconstruction": RECONSTRUCTION,
}
OPTIONS: dict[str, str] = {}
_BINS = 10  # Of causes without names, which are continuous.
_ACTIVE = 0.05  # Nats above which a latent is said to be in use.


def quick(model, images: pipelines.Images) -> dict[str, float]:
    """Error and divergence: cheap enough to run while training."""
    return numbers(model, images, over(model.encode, images))


def evaluate(model, data: EvaluationData) -> dict[str, float]:
    """All numbers of the family.

    Args:
      model: of a family of vision alone.
      data: of the test pictures.

    Returns:
      name -> number: "reconstruction" (mean squared error a pixel), "kl" (nats), "active_latents"; where the pictures
      have several labels, "disentanglement_*", see `disentanglement.all_scores`, and "disentanglement_images", how many
      of them had all of their labels.
    """
    codes = over(model.encode, data.test)
    result = {"test_images": len(data.test), "train_images": len(data.train), **numbers(model, data.test, codes)}
    means, factors = causes(codes["mean"], data.test)
    if scores := disentanglement.all_scores(means, factors, counts=disentanglement.FIELD):
        result["disentanglement_images"] = len(means)
        result |= {f"disentanglement_{name}": value for name, value in scores.items()}
    return result


def numbers(model, images: pipelines.Images, codes: dict) -> dict:
    """Of codes of images: "reconstruction", "kl" and "active_latents"; see `evaluate`."""
    kl = divergence_by_latent(codes["mean"], codes["log_variance"])
    return {
        "reconstruction": float(over(lambda x: {"error": _squared_error(model, x)}, images)["error"].mean()),
        "kl": float(kl.sum()),
        "active_latents": int(np.sum(kl > _ACTIVE)),
    }


def causes(means, images: pipelines.Images) -> tuple:
    """(codes float [n, latents], factors int [n, k]): posterior means and every true cause, continuous ones binned."""
    columns = list(images.labels.reshape(len(images), -1).T)
    if images.nuisances is not None:
        # Columns behind the named ones only say what is drawn.
        for column in images.nuisances.T[: len(images.nuisance_names)]:
            edges = np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1])
            columns.append(np.digitize(column, edges))
    factors = np.stack(columns, axis=-1)
    known = np.flatnonzero((factors >= 0).all(axis=1))
    return means[known], factors[known]


def _squared_error(model, images):
    return tf.reduce_mean(tf.square(model.reconstruct(images)["images"] - images), axis=[1, 2, 3])


# ---- pictures


def draw(model, data: EvaluationData, numbers: dict) -> dict[str, Picture]:
    """All pictures of the family."""
    del numbers
    sample = some_images(data.test, 1000)
    codes = {name: value.numpy() for name, value in model.encode(sample).items()}
    return {"reconstructions": reconstructions(model, sample), "traversals": traversals(model, codes)}


def reconstructions(model, sample) -> Picture:
    """Images, and what is left of them."""
    shown = sample[:12]
    rows = np.stack([shown.numpy(), model.reconstruct(shown)["images"].numpy()])
    return Picture(
        pictures.grid(rows, least_side=64), "Test pictures above, what is left of them after the code below."
    )


def traversals(model, codes: dict) -> Picture:
    """Every latent in use, moved through its range while the others stay."""
    kl = divergence_by_latent(codes["mean"], codes["log_variance"])
    order = np.argsort(-kl)
    shown = order[: max(4, int(np.sum(kl > _ACTIVE)))][:24]
    start, steps = codes["mean"][0], np.linspace(-2.5, 2.5, 11)
    latents = np.repeat(start[None], len(shown) * len(steps), axis=0).reshape(len(shown), len(steps), -1)
    for row, unit in enumerate(shown):
        latents[row, :, unit] = steps
    flat = model.decode(tf.constant(latents.reshape(-1, latents.shape[-1]), tf.float32))["images"].numpy()
    grid = flat.reshape(len(shown), len(steps), *flat.shape[1:])
    labels = ", ".join(f"z{unit + 1} {kl[unit]:.2f}" for unit in shown)
    return Picture(
        pictures.grid(grid, least_side=64),
        f"A latent a row, from -2.5 to 2.5, in order of its divergence from the prior in nats: {labels}.",
    )
