"""Logistic units on a trained sparse network, then fine-tuning of everything (Le et al. 2012, section 6).

The paper's images are ImageNet's, a logistic unit for each of 10,000 or 22,000 classes, half of the images to train on
and half to test. Any labeled images will do: set data.source and model.heads. The network's sizes are those of
sparse_small and must be those of the run it is taken from. Without transfer.pretrained it starts from nothing, which
is the paper's control; with transfer.head_steps equal to train.steps the network is left as it is.

    reverie train --config=sparse_small --config.data.source=frames:frames --workdir=runs/sparse
    reverie train --config=sparse_fine_tune --config.data.source=folder:pictures --config.model.heads.label=5 \\
        --config.transfer.pretrained=runs/sparse --workdir=runs/fine_tuned
    reverie evaluate --workdir=runs/fine_tuned
"""

import ml_collections
from reverie.configs import defaults, sparse_small


def get_config() -> ml_collections.ConfigDict:
    config = defaults.on_pretrained("sparse_classifier")
    network = sparse_small.get_config()
    for name in ("data", "schedule", "optimizer"):
        config[name].update(network[name])
    config.model.update({**network.model, "family": config.model.family})
    config.data.source = "folder:pictures"
    config.data.windows = 0  # Labels are of whole pictures.
    config.data.test_fraction = 0.5
    config.train.steps = 2000
    config.train.steps_per_call = 10
    config.train.log_every = 50
    config.train.checkpoint_every = 500
    config.schedule.rate = 1e-3
    return config
