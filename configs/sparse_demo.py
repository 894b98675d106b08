"""The sparse autoencoder on windows of 32 gray pixels, three stages alive, in half a minute: `make demo-frames`.

    reverie train --config=sparse_demo --config.data.source=frames:frames --workdir=runs/demo-frames

`sparse_small` with fewer filters: a few hundred frames hold windows enough to see edges form in the first stage.
"""

import ml_collections
from reverie.configs import sparse_small


def get_config() -> ml_collections.ConfigDict:
    config = sparse_small.get_config()
    config.data.image_shape = (32, 32, 1)
    config.data.windows = 4000
    config.model.image_shape = (32, 32, 1)
    config.model.maps = (32, 32, 64)
    config.model.pool = (3, 2, 1)
    config.model.components = (40, 48, 48)
    config.greedy.steps = (400, 100, 100)
    config.train.checkpoint_every = 200
    return config
