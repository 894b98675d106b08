"""Methods of continual learning by name, as settings: what `--config=replay_split_mnist:NAME` stands for.

A recipe is a base, then what is added or taken away:

    none  joint  joint_iid  ewc  online_ewc  si  xdg  lwf  er  gr  bir
    bir+si  bir-gating  gr+distillation  gr+feedback  er+online_ewc ...

"gr" is standard generative replay (a separate generator, hard labels); "bir" is brain-inspired replay, which is
gr+feedback+conditional+gating+distillation and, where there are convolutions, +internal.
"""

import re

import ml_collections
from reverie.configs import defaults

COMPONENTS = ("feedback", "conditional", "gating", "internal", "distillation")
_BASES = {
    "none": (),
    "joint": ("joint",),
    "joint_iid": ("joint_iid",),
    "ewc": ("ewc",),
    "online_ewc": ("online_ewc",),
    "si": ("si",),
    "xdg": ("xdg",),
    "lwf": ("lwf",),
    "er": ("buffer",),
    "gr": ("generative",),
    "bir": ("generative",),
}


def stream_config(kind: str, scenario: str, tasks: int, classes_per_task: int) -> ml_collections.ConfigDict:
    """The defaults with sections for a stream of tasks: every setting of them, once, with its meaning."""
    config = defaults.get_config("replay")
    config.model.gating = 0.0
    config.stream = ml_collections.ConfigDict()
    config.stream.kind = kind  # split, permuted
    config.stream.scenario = scenario  # task, domain, class
    config.stream.tasks = tasks
    config.stream.classes_per_task = classes_per_task
    # natural, seed, paper, or original labels in the order wanted, as (4, 9, 0, 1).
    config.stream.order = ml_collections.config_dict.placeholder(object)
    config.stream.order = "paper"
    config.stream.padding = 0

    config.continual = ml_collections.ConfigDict()
    config.continual.methods = ()  # See training/continual/settings.py.
    config.continual.distillation = True
    config.continual.temperature = 2.0
    config.continual.replay_batch = 0  # Rehearsed rows a step; 0 is as many as current ones.
    config.continual.memory = 2000  # Images that experience replay stores.
    config.continual.ewc_strength = 1.0
    config.continual.ewc_gamma = 1.0
    config.continual.fisher_images = 1000
    config.continual.si_strength = 1.0
    config.continual.si_damping = 0.1
    config.continual.augment = 0  # Pixels of padding for random crops, with random flips; 0 is none.
    config.continual.pretrained = ""  # Run folder with the convolutional stack.
    config.continual.evaluate_on = "test"  # test, validation: for the accuracies after each task.
    config.continual.evaluate_images = 0  # Most images a task for them; 0 is all.

    config.train.log_every = 500
    config.train.checkpoint_every = 0  # The end of each task is always kept.
    return config


def apply(config: ml_collections.ConfigDict, recipe: str, values: dict) -> ml_collections.ConfigDict:
    """Sets methods, components and strengths of a recipe.

    Args:
      config: from `stream_config`.
      recipe: see above.
      values: "ewc", "online_ewc", "si": strengths; "xdg": share of closed trunk units; "gating": share of closed
        decoder units; and "<recipe>": {any of these} for a recipe with its own.

    Raises:
      ValueError: no such recipe.
    """
    base, *changes = re.findall(r"[+-]?[a-z_]+", recipe)
    own = values.get(recipe)
    values = {**values, **(own if isinstance(own, dict) else {})}
    if base not in _BASES or "".join([base, *changes]) != recipe:
        raise ValueError(f"no recipe '{recipe}'; a recipe is one of {', '.join(_BASES)}, then +component or -component")
    methods, on = list(_BASES[base]), set(COMPONENTS) if base == "bir" else set()
    if not config.model.convolutions:
        on.discard("internal")
    for change in changes:
        name = change[1:]
        if name in COMPONENTS:
            on = on | {name} if change[0] == "+" else on - {name}
        elif change[0] == "+" and name in _BASES and name not in ("none", "gr", "bir"):
            methods += _BASES[name]
        else:
            raise ValueError(
                f"recipe '{recipe}': '{change}' is neither a component ({', '.join(COMPONENTS)}) nor a method"
            )
    config.continual.methods = tuple(methods)
    config.model.generator = "generative" in methods
    for name in ("feedback", "conditional", "internal"):
        config.model[name] = name in on
    config.model.gating = values.get("gating", 0.0) if "gating" in on else 0.0
    # Learning without forgetting is distillation.
    config.continual.distillation = "distillation" in on or "lwf" in methods
    config.model.task_gating = values.get("xdg", 0.0) if "xdg" in methods else 0.0
    config.continual.ewc_strength = values.get("online_ewc" if "online_ewc" in methods else "ewc", 1.0)
    config.continual.si_strength = values.get("si", 1.0)
    return config
