"""Permuted MNIST in minutes: ten tasks of 500 steps of 128 images, two hidden layers of 400, Adam at 0.001.

    reverie train --config=replay_permuted_mnist_quick --config.data.source=mnist.npz --workdir=runs/perm10
    reverie compare --config=replay_permuted_mnist_quick --methods=none,ewc,si,gr,bir,bir+si \
        --config.data.source=mnist.npz --workdir=runs/perm10_methods

For the order of methods, not for the paper's figures: see replay_permuted_mnist.py. EWC's strength, which the
authors set to 1 for their long run, is 100 here, the value of their later code for ten permutations.
"""

import ml_collections
from reverie.configs import recipes, replay_permuted_mnist

VALUES = {**replay_permuted_mnist.VALUES, "ewc": 100.0, "online_ewc": 100.0}


def get_config(argument: str = "bir+si") -> ml_collections.ConfigDict:
    config = replay_permuted_mnist.get_config(argument)
    config.stream.tasks = 10
    config.train.steps = 500  # A task.
    config.train.batch_size = 128
    config.schedule.rate = 1e-3
    config.model.hidden = (400, 400)
    return recipes.apply(config, argument.partition(",")[0], VALUES)
