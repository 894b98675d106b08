"""The entries of the section `continual`: those of no one method, and what those of a method are made of."""

import dataclasses
from typing import Any

from ...errors import UserError


def option(default: Any, *, least: float | None = None, above: float | None = None, most: float | None = None) -> Any:
    """A field of `Options`.

    Args:
      default: of the setting; it stands here alone.
      least: the smallest number admitted.
      above: a number that the setting must exceed.
      most: the greatest number admitted.
    """
    return dataclasses.field(default=default, metadata={"least": least, "above": above, "most": most})


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of their own of a method, or none: subclass it as a frozen dataclass.

    Raises:
      UserError: a number outside its field's limits.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Shrinking(Options):
      ...     shrink: float = option(0.5, least=0.0)
      >>> Shrinking().shrink
      0.5
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least, above, most = (field.metadata.get(limit) for limit in ("least", "above", "most"))
            if least is not None and value < least:
                raise UserError(f"continual.{field.name} is {value:g}; expected at least {least:g}")
            if above is not None and value <= above:
                raise UserError(f"continual.{field.name} is {value:g}; expected above {above:g}")
            if most is not None and value > most:
                raise UserError(f"continual.{field.name} is {value:g}; expected at most {most:g}")


@dataclasses.dataclass(frozen=True)
class ContinualSettings(Options):
    """The settings that belong to no one method.

    Attributes:
      methods: names of methods, any that go together; empty for plain training on one task after another.
      distillation: whether rehearsed rows carry a copy's probabilities; off, its best guess.
      temperature: of distillation.
      replay_batch: rehearsed rows per step over all replicas; 0 is as many as current ones.
      augment: pixels of padding for random crops of current images, with random flips; 0 is none.
      pretrained: run folder whose convolutional stack is taken over, or "".
      learned: run folder of the first tasks of the stream: this run begins with what that one knows, or "".
      evaluate_on: "test" or "validation": what the accuracies after each task are measured on.
      evaluate_images: most images of a task for them; 0 is all.
    """

    methods: tuple[str, ...] = ()
    distillation: bool = True
    temperature: float = option(2.0, above=0)
    replay_batch: int = option(0, least=0)
    augment: int = option(0, least=0)
    pretrained: str = ""
    learned: str = ""
    evaluate_on: str = "test"
    evaluate_images: int = option(0, least=0)

    def __post_init__(self):
        super().__post_init__()
        if self.evaluate_on not in ("test", "validation"):
            raise UserError(f"continual.evaluate_on is '{self.evaluate_on}'; expected test or validation")
