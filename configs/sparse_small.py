"""The sparse autoencoder where it learns: edges, then parts, then whole things, from windows of frames or photographs.

The form is that of Le et al. 2012: three stages of filters, L2 pooling and contrast normalization, each learning to
rebuild what it sees while its pooled answers are kept silent. Different, and why: filters are shared by all positions
(tile 1), so that a few thousand pictures hold the millions of windows that it takes; every position rebuilds its own
window, because single pixels are a trivial answer to windows that overlap; components of windows are whitened, fully in
the first stage and hardly above it; positive and negative answers are pooled apart; stages learn one after the other.
`sparse_untied` starts from such a run and trains filters of each position's own.

    reverie data frames --videos='videos/**' --out=frames --size=128
    reverie train --config=sparse_small --config.data.source=frames:frames --workdir=runs/sparse
    reverie evaluate --workdir=runs/sparse --concept=face=folder:faces_and_others
"""

import ml_collections
from reverie.configs import defaults


def get_config() -> ml_collections.ConfigDict:
    config = defaults.layer_by_layer("sparse")
    config.data.source = "frames:frames"
    config.data.image_shape = (56, 56, 3)
    config.data.resize = "crop"
    config.data.windows = 10_000
    config.data.window_least = 0.75
    config.model.image_shape = (56, 56, 3)
    config.model.whitening = "standardize"
    config.model.reconstruction = "window"
    config.model.decoder = "tied"
    config.model.tile = 1
    config.model.field = (8, 5, 3)
    config.model.stride = (2, 2, 1)
    config.model.maps = (48, 160, 1024)
    config.model.pool = (3, 3, 6)
    config.model.sparsity = (1.0, 1.0, 0.25)
    config.model.components = (64, 160, 160)
    config.model.whitening_epsilon = (0.01, 3.0, 3.0)
    config.model.natural_filters = (True, False, False)
    config.model.signed_pooling = True
    config.model.contrast_floor = "mean"
    config.greedy.steps = (1200, 800, 600)
    config.train.steps = 0
    config.train.batch_size = 100
    config.train.steps_per_call = 10
    config.train.log_every = 50
    config.train.checkpoint_every = 400
    config.schedule.name = "cosine"
    config.schedule.rate = 0.02
    return config
