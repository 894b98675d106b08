"""Permuted MNIST: all ten digits in every task, the pixels in an order of its own (van de Ven et al. 2020, figure 5).

    reverie train --config=replay_permuted_mnist --config.data.source=mnist.npz --workdir=runs/perm100
    reverie train --config=replay_permuted_mnist:gr --config.data.source=mnist.npz --workdir=runs/perm100_gr

The part after the colon is a recipe ("bir+si" by default). 100 tasks of 5,000 steps of 256 images, two hidden layers
of 2,000, Adam at 0.0001. Digits are padded to 32 x 32 and all 1,024 pixels are permuted. Domain-incremental: ten
output units for all tasks; gates are keyed by task. Strengths are those of the authors' scripts.

On two CPU cores this takes days; replay_permuted_mnist_quick.py is ten tasks in minutes. Which of them were run:
docs/results/replay_permuted_mnist.md.
"""

import ml_collections
from reverie.configs import recipes

# The authors' scripts: EWC 1, online EWC 1, SI 10 (1 beside BI-R), gates 0.8, or what suits an ablation.
VALUES = {
    "ewc": 1.0,
    "online_ewc": 1.0,
    "si": 10.0,
    "gating": 0.8,
    "bir+si": {"si": 1.0},
    "bir-distillation": {"gating": 0.6},
    "gr+gating": {"gating": 0.2},
}


def get_config(argument: str = "bir+si") -> ml_collections.ConfigDict:
    recipe, _, scenario = argument.partition(",")
    if scenario not in ("", "domain"):
        raise ValueError(f"scenario is '{scenario}'; permuted MNIST is domain-incremental here")
    config = recipes.stream_config("permuted", "domain", 100, 10)
    config.stream.padding = 2
    config.train.steps = 5000  # A task.
    config.train.batch_size = 256
    config.schedule.rate = 1e-4
    config.model.hidden = (2000, 2000)
    config.model.gate_by = "task"
    config.optimizer = ml_collections.ConfigDict({"name": "adam", "epsilon": 1e-8})
    return recipes.apply(config, recipe, VALUES)
