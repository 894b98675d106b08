"""The `continual` section of a config: which methods, with which strengths, and what cannot be combined."""

import dataclasses

from ...errors import UserError

# Name -> in one line. "none" is the empty list.
METHODS = {
    "joint": "each task trains on the images of all tasks so far (cumulative)",
    "joint_iid": "one training on the images of all tasks, mixed",
    "ewc": "elastic weight consolidation, one quadratic a task, folded into one",
    "online_ewc": "elastic weight consolidation with one running quadratic",
    "si": "synaptic intelligence",
    "xdg": "context-dependent gating of the trunk by task",
    "lwf": "learning without forgetting: the copy's answers on the current images",
    "generative": "rehearsal of what a copy of the network imagines and labels",
    "buffer": "rehearsal of stored images from a bounded memory (experience replay)",
}
REHEARSALS = ("lwf", "generative", "buffer")
PENALTIES = ("ewc", "online_ewc", "si")


@dataclasses.dataclass(frozen=True)
class ContinualSettings:
    """What keeps old tasks, and how strongly.

    Attributes:
      methods: of METHODS, any that go together; empty for plain training on one task after another.
      distillation: rehearsed rows carry the copy's probabilities; off, its best guess.
      temperature: of distillation.
      replay_batch: rehearsed rows a step over all replicas; 0 is as many as current ones.
      memory: images that "buffer" may store.
      ewc_strength: lambda of both kinds of EWC.
      ewc_gamma: how much of the older quadratic "online_ewc" keeps at each new task.
      fisher_images: images that the Fisher information is estimated on.
      si_strength, si_damping: c and epsilon of "si".
      augment: pixels of padding for random crops of current images, with random flips; 0 is none.
      pretrained: run folder whose convolutional stack is taken over, or "".
      evaluate_on: "test" or "validation": what the accuracies after each task are measured on.
      evaluate_images: most images a task for them; 0 is all.
    """

    methods: tuple = ()
    distillation: bool = True
    temperature: float = 2.0
    replay_batch: int = 0
    memory: int = 2000
    ewc_strength: float = 1.0
    ewc_gamma: float = 1.0
    fisher_images: int = 1000
    si_strength: float = 1.0
    si_damping: float = 0.1
    augment: int = 0
    pretrained: str = ""
    evaluate_on: str = "test"
    evaluate_images: int = 0

    @property
    def rehearsal(self) -> str | None:
        """The one method of REHEARSALS in use, or None."""
        return next((name for name in self.methods if name in REHEARSALS), None)

    @property
    def joint(self) -> bool:
        return "joint" in self.methods or "joint_iid" in self.methods


def checked(settings: dict, scenario: str, model) -> ContinualSettings:
    """The section as `ContinualSettings`, refused where its parts do not go together.

    Args:
      settings: the section as a dict.
      scenario: of the stream.
      model: the `model` section, a dict.

    Raises:
      UserError: unknown names, methods that exclude one another, that the scenario forbids, or that the model
        is not made for.
    """
    given = {**settings, "methods": tuple(settings.get("methods", ()))}
    result = ContinualSettings(**given)
    for name in result.methods:
        if name not in METHODS:
            raise UserError(f"continual.methods has '{name}'; expected some of {', '.join(METHODS)}, or none of them")
    if len(set(result.methods)) != len(result.methods):
        raise UserError(f"continual.methods names one twice: {', '.join(result.methods)}")
    rehearsals = [name for name in result.methods if name in REHEARSALS]
    if len(rehearsals) > 1:
        raise UserError(f"continual.methods rehearses in {len(rehearsals)} ways ({', '.join(rehearsals)}); choose one")
    if result.joint and len(result.methods) > 1:
        raise UserError(
            f"continual.methods has {', '.join(result.methods)}; joint training sees all images, nothing goes with it"
        )
    if "xdg" in result.methods:
        if scenario != "task":
            raise UserError(
                f"xdg gates by task, which the {scenario}-incremental scenario does not tell; set stream.scenario=task"
            )
        if rehearsals:
            raise UserError(f"xdg and {rehearsals[0]} do not go together: rehearsed rows belong to no one task")
    if ("xdg" in result.methods) != (model.get("task_gating", 0.0) > 0.0):
        raise UserError(
            f"xdg is {'on' if 'xdg' in result.methods else 'off'}, but model.task_gating is "
            f"{model.get('task_gating', 0.0):g}; XdG needs a share of units above 0, other methods need 0"
        )
    if "generative" in result.methods and not model.get("generator", True):
        raise UserError("generative rehearsal needs a generator: set --config.model.generator=True")
    if {"ewc", "online_ewc"} <= set(result.methods):
        raise UserError("ewc and online_ewc are two forms of one penalty; choose one")
    _check_numbers(result)
    return result


def _check_numbers(settings: ContinualSettings) -> None:
    for name in ("temperature", "si_damping"):
        if getattr(settings, name) <= 0.0:
            raise UserError(f"continual.{name} is {getattr(settings, name):g}; expected above 0")
    for name in ("ewc_strength", "si_strength", "ewc_gamma", "replay_batch", "evaluate_images", "augment"):
        if getattr(settings, name) < 0:
            raise UserError(f"continual.{name} is {getattr(settings, name):g}; expected at least 0")
    for name in ("memory", "fisher_images"):
        if getattr(settings, name) < 1:
            raise UserError(f"continual.{name} is {getattr(settings, name)}; expected at least 1")
    if settings.evaluate_on not in ("test", "validation"):
        raise UserError(f"continual.evaluate_on is '{settings.evaluate_on}'; expected test or validation")
