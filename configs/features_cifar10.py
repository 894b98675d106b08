"""The convolutional stack of split CIFAR-100, trained to classify CIFAR-10 (van de Ven et al. 2020, Methods).

    reverie train --config=features_cifar10 --config.data.source=cifar10:cifar-10-batches-py --workdir=runs/features

One task of all ten classes: 100 epochs of 256 images (19,500 steps), Adam at 0.0001, random crops of images padded
by 4 and random flips. The run is then given to `--config.continual.pretrained`. Any other labeled set will do:
set data.source, data.image_shape and stream.classes_per_task.
"""

import ml_collections
from reverie.configs import recipes

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def get_config() -> ml_collections.ConfigDict:
    config = recipes.stream_config("split", "class", 1, 10)
    config.stream.order = "natural"
    config.data.source = "tfds:cifar10"
    config.data.image_shape = (32, 32, 3)
    config.train.steps = 19_500
    config.train.batch_size = 256
    config.train.checkpoint_every = 2000
    config.schedule.rate = 1e-4
    config.model.hidden = (2000, 2000)
    config.model.convolutions = (16, 32, 64, 128, 256)
    config.model.mean, config.model.deviation = MEAN, DEVIATION
    config.model.reconstruction = "squared"
    config.continual.augment = 4
    config.optimizer = ml_collections.ConfigDict({"name": "adam", "epsilon": 1e-8})
    return recipes.apply(config, "none", {})
