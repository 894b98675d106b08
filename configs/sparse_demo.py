"""The sparse autoencoder on frames of 32 pixels, three stages alive, in about a minute: what `make demo-frames` trains.

    reverie train --config=sparse_demo --config.data.source=frames:frames --workdir=runs/demo-frames

Fields of 7 and tiles of 4 instead of untied filters: positions four apart share weights, so that a few hundred frames
are enough to see filters form.
"""

import ml_collections
from reverie.configs import sparse_small


def get_config() -> ml_collections.ConfigDict:
    config = sparse_small.get_config()
    config.data.image_shape = (32, 32, 3)
    config.data.resize = "crop"
    config.model.image_shape = (32, 32, 3)
    config.model.field = 7
    config.model.pool = 3
    config.model.contrast = 3
    config.model.tile = 4
    config.train.steps = 400
    config.train.batch_size = 50
    config.train.checkpoint_every = 200
    config.train.log_every = 20
    config.schedule.rate = 3e-3
    return config
