"""Methods of continual learning by name, as settings: what `--config=replay_split_mnist:NAME` stands for.

A recipe is a base, then what is added or taken away:

    none  joint  joint_iid  ewc  online_ewc  si  xdg  lwf  er  gr  bir
    bir+si  bir-gating  gr+distillation  gr+feedback  er+online_ewc ...

"gr" is standard generative replay (a separate generator, hard labels); "bir" is brain-inspired replay, which is
gr+feedback+conditional+gating+distillation and, where there are convolutions, +internal. A method registered by
`training.continual.register_method` is a recipe too, and can be added to others.
"""

import dataclasses
import re

import ml_collections
from reverie.configs import defaults
from reverie.pipelines import StreamSettings
from reverie.training import continual

COMPONENTS = ("feedback", "conditional", "gating", "internal", "distillation")


def stream_config(kind: str, scenario: str, tasks: int, classes_per_task: int) -> ml_collections.ConfigDict:
    """The defaults with sections for a stream of tasks, which every method of continual learning can learn.

    Args:
      kind: "split" or "permuted".
      scenario: "task", "domain" or "class".
      tasks: how many.
      classes_per_task: how many each.

    Returns:
      A config with the sections `stream` (see `pipelines.StreamSettings`), `continual` (see
      `training.continual.ContinualSettings` and the `options` of each method) and `model` (see
      `models.ReplayConfig`).
    """
    config = defaults.get_config("replay")
    config.model.gating = 0.0
    stream = StreamSettings(kind, scenario, tasks, classes_per_task)
    config.stream = ml_collections.ConfigDict(dataclasses.asdict(stream))
    # The order is a word or a list of labels, as (4, 9, 0, 1).
    del config.stream["order"]
    config.stream.order = ml_collections.config_dict.placeholder(object)
    config.stream.order = stream.order

    config.continual = ml_collections.ConfigDict(continual.defaults())

    config.train.log_every = 500
    config.train.checkpoint_every = 0  # The end of each task is always kept.
    return config


def apply(config: ml_collections.ConfigDict, recipe: str, values: dict) -> ml_collections.ConfigDict:
    """Sets methods, components and strengths of a recipe.

    Args:
      config: from `stream_config`.
      recipe: see above.
      values: the number of a method, by its recipe ("ewc", "online_ewc", "si": strengths; "xdg": share of
        closed trunk units); "gating": share of closed decoder units; and "<recipe>": {any of these} for a recipe with
        numbers of its own.

    Returns:
      The config itself.

    Raises:
      ValueError: no such recipe.

    Example:
      >>> config = apply(stream_config("split", "class", 5, 2), "er+si", {"si": 0.1})
      >>> config.continual.methods, config.continual.si_strength
      (('buffer', 'si'), 0.1)
    """
    base, *changes = re.findall(r"[+-]?[a-z_]+", recipe)
    own = values.get(recipe)
    values = {**values, **(own if isinstance(own, dict) else {})}
    known = continual.methods()
    recipes = {method.recipe or method.name: (method.name,) for method in known.values()}
    bases = {"none": (), **recipes, "bir": ("generative",)}
    if base not in bases or "".join([base, *changes]) != recipe:
        raise ValueError(f"no recipe '{recipe}'; a recipe is one of {', '.join(bases)}, then +component or -component")
    names, on = list(bases[base]), set(COMPONENTS) if base == "bir" else set()
    on |= {component for name in names for component in known[name].components}
    if not config.model.convolutions:
        on.discard("internal")
    for change in changes:
        name = change[1:]
        if name in COMPONENTS:
            on = on | {name} if change[0] == "+" else on - {name}
        elif change[0] == "+" and name in recipes and name != "gr":
            names += recipes[name]
        else:
            raise ValueError(
                f"recipe '{recipe}': '{change}' is neither a component ({', '.join(COMPONENTS)}) nor a method"
            )
    config.continual.methods = tuple(names)
    config.continual.distillation = "distillation" in on
    config.model.generator = False
    for name in ("feedback", "conditional", "internal"):
        config.model[name] = name in on
    config.model.gating = values.get("gating", 0.0) if "gating" in on else 0.0
    # Methods may share a setting: those in use have the last word, of the others the first.
    others = [method for method in reversed(known.values()) if method.name not in names]
    for method in [*others, *(known[name] for name in names)]:
        method.configure(config, method.name in names, values.get(method.recipe or method.name))
    return config
