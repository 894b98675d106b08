"""`Provenance`: where the weights of a version come from, as its metadata and its card say it."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What is known of the run that trained a model.

    Attributes:
      config: of the run, plain values; the card reads `model.family`, `data.source` and `seed`.
      step: how many steps were trained.
      reverie: version of the package.
      evaluation: numbers on test images by name; None or empty where nothing was measured.
      environment: of the run: versions, device.
      classes: what label k stands for is the k-th; empty where labels stand for themselves.
      class_names: head -> names of its classes in label order; empty or left out where its classes have none.
      legend: lines of the card, plain text or items ("- ..."), that say what labels or symbols mean; made by whoever
        knows the family.

    Example:
      >>> Provenance({"model": {"family": "xcov"}, "data": {"source": "mnist"}, "seed": 0}, 100, "1.0").classes
      ()
    """

    config: Mapping
    step: int
    reverie: str
    evaluation: Mapping | None = None
    environment: Mapping = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    class_names: Mapping = dataclasses.field(default_factory=dict)
    legend: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """As metadata.json keeps it."""
        return {
            "reverie": self.reverie,
            "config": self.config,
            "step": self.step,
            "evaluation": self.evaluation,
            "environment": self.environment,
            "classes": list(self.classes),
            "class_names": {head: list(names) for head, names in self.class_names.items()},
            "legend": list(self.legend),
        }
