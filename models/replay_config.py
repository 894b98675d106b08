"""Sizes and switches of the replayed network; see replay.py."""

import dataclasses

from .settings import derived


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    """Sizes and switches of the network.

    Attributes:
      image_shape: (height, width, channels).
      classes: output units.
      tasks: number of tasks; they key the gates of `gate_by="task"` and of XdG.
      blocks: 1, or `tasks` where each task has its own block of output units (task-incremental).
      convolutions: filters of the convolutional stack, empty for none.
      mean, deviation: per channel, for standardized inputs; empty for pixels as they are.
      hidden: widths of the trunk, and backwards of the decoder.
      latents: units of z.
      generator: False leaves a classifier, for the methods that do not imagine.
      feedback, conditional, internal: components, see above.
      modes: Gaussians a class in the prior.
      gating: share of decoder units closed in a context; 0 is no gating.
      gate_by: "class" or "task".
      reconstruction: "bernoulli" (cross-entropy of pixels in [0, 1]) or "squared" (half the squared error).
      latent_units: P above; 0 takes the number of image pixels, as the paper does also for features.
      generative_weight: of reconstruction and latent terms against classification; 1 in the paper.
      task_gating: XdG: share of trunk units closed in a task; 0 is off.
    """

    image_shape: tuple = derived((28, 28, 1))
    classes: int = derived(10)
    tasks: int = derived(5)
    blocks: int = derived(1)
    convolutions: tuple = ()
    mean: tuple = ()
    deviation: tuple = ()
    hidden: tuple = (400, 400)
    latents: int = 100
    generator: bool = True
    feedback: bool = True
    conditional: bool = True
    modes: int = 1
    gating: float = 0.8
    gate_by: str = "class"
    internal: bool = False
    reconstruction: str = "bernoulli"
    latent_units: int = 0
    generative_weight: float = 1.0
    task_gating: float = 0.0

    def __post_init__(self):
        if self.gate_by not in ("class", "task"):
            raise ValueError(f"gate_by is '{self.gate_by}'; expected 'class' or 'task'")
        if self.reconstruction not in ("bernoulli", "squared"):
            raise ValueError(f"reconstruction is '{self.reconstruction}'; expected 'bernoulli' or 'squared'")
        if not self.hidden or self.latents < 1 or self.classes < 2:
            raise ValueError(
                f"hidden={tuple(self.hidden)}, latents={self.latents}, classes={self.classes}; expected at least one "
                "hidden layer, one latent and two classes"
            )
        if self.internal and not self.convolutions:
            raise ValueError("internal replay needs a convolutional stack: set convolutions, or internal=False")
        if self.reconstruction == "bernoulli" and (self.internal or self.mean):
            raise ValueError("features and standardized pixels are not in [0, 1]: set reconstruction='squared'")
        if self.blocks not in (1, self.tasks) or self.classes % self.blocks:
            raise ValueError(
                f"blocks={self.blocks}; expected 1, or tasks={self.tasks} that divide classes={self.classes}"
            )
