"""Split CIFAR-100, ten tasks of ten classes (van de Ven et al. 2020, figure 6): internal replay of features.

    reverie train --config=features_cifar10 --config.data.source=cifar10:cifar-10-batches-py --workdir=runs/features
    reverie train --config=replay_split_cifar100:bir,class --config.data.source=cifar100:cifar-100-python \
        --config.continual.pretrained=runs/features --workdir=runs/cifar

The part after the colon is a recipe and a scenario (task, class). 5,000 steps a task of 256 images, Adam at 0.0001,
five convolutions pre-trained on CIFAR-10 and, for internal replay, frozen; two hidden layers of 2,000, 100 latents.
The paper freezes the convolutions of BI-R only; here every recipe starts from the same ones, and a recipe without
"internal" continues to train them and imagines pixels.

Measured: docs/results/replay_cifar100.md (replay, at these steps) and docs/results/replay_rivals.md (what imagines
nothing). On two CPU cores 50,000 steps of replay take seven hours or more.
"""

import ml_collections
from reverie.configs import recipes

VALUES = {
    "task": {
        "ewc": 1000.0, "online_ewc": 1000.0, "si": 100.0, "xdg": 0.7, "gating": 0.0,
        "bir-feedback": {"gating": 0.3}, "bir-internal": {"gating": 0.8}, "gr+gating": {"gating": 0.1},
    },
    "class": {
        "ewc": 1.0, "online_ewc": 1.0, "si": 1.0, "gating": 0.7,
        "bir+si": {"si": 1e8, "gating": 0.6}, "bir-conditional": {"gating": 0.6}, "bir-internal": {"gating": 0.9},
        "bir-distillation": {"gating": 0.8},
    },
}  # fmt: skip
MEAN, DEVIATION = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761)


def get_config(argument: str = "bir") -> ml_collections.ConfigDict:
    recipe, _, scenario = argument.partition(",")
    scenario = scenario or "class"
    if scenario not in VALUES:
        raise ValueError(f"scenario is '{scenario}'; expected one of {', '.join(VALUES)}")
    config = recipes.stream_config("split", scenario, 10, 10)
    config.stream.order = "seed"
    config.data.source = "tfds:cifar100"
    config.data.image_shape = (32, 32, 3)
    config.train.steps = 5000  # A task.
    config.train.batch_size = 256
    config.schedule.rate = 1e-4
    config.model.hidden = (2000, 2000)
    config.model.convolutions = (16, 32, 64, 128, 256)
    config.model.mean, config.model.deviation = MEAN, DEVIATION
    config.model.reconstruction = "squared"
    config.optimizer = ml_collections.ConfigDict({"name": "adam", "epsilon": 1e-8})
    return recipes.apply(config, recipe, VALUES[scenario])
