"""The start of `sparse_le2012`: its filters, learned over all positions of windows of frames.

Fields, strides, maps, pooling and contrast are those of the full network, but every filter is shared by all positions,
and every position rebuilds its own whitened window: eight filters see millions of windows in a few thousand frames. The
full network takes them at all of its positions and goes on from there.

    reverie train --config=sparse_le2012_start --config.data.source=frames:frames --workdir=runs/le2012_start
    reverie train --config=sparse_le2012 --config.greedy.start_from=runs/le2012_start --workdir=runs/le2012
"""

import ml_collections
from reverie.configs import defaults


def get_config() -> ml_collections.ConfigDict:
    config = defaults.layer_by_layer("sparse")
    config.data.source = "frames:frames"
    config.data.image_shape = (96, 96, 3)
    config.data.resize = "crop"
    config.data.windows = 10_000
    config.model.image_shape = (96, 96, 3)
    config.model.reconstruction = "window"
    config.model.decoder = "tied"
    config.model.tile = 1
    config.model.components = 64
    config.model.whitening_epsilon = (0.01, 3.0, 3.0)
    config.model.sparsity = 0.5
    config.greedy.steps = (500, 300, 300)
    config.train.steps = 0
    config.train.batch_size = 10
    config.train.steps_per_call = 5
    config.train.log_every = 50
    config.train.checkpoint_every = 500
    config.schedule.name = "cosine"
    config.schedule.rate = 0.02
    return config
