"""`sparse_small` in gray, where color tells nothing: a neuron that knows faces has to know their form.

The second stage has twice as many filters, held more silent. The third sees only the 24 leading components of the
second: what many windows have in common, such as faces, is among them, and what is rare is not. Its many filters are
turned a little from where they were drawn; turned longer, they answer to rarer things.

    reverie train --config=sparse_gray --config.data.source=folder:photos --workdir=runs/gray
    reverie evaluate --workdir=runs/gray --concept=face=folder:choose --report=face=folder:report
"""

import ml_collections
from reverie.configs import sparse_small


def get_config() -> ml_collections.ConfigDict:
    config = sparse_small.get_config()
    config.data.image_shape = (56, 56, 1)
    config.model.image_shape = (56, 56, 1)
    config.model.maps = (48, 320, 4096)
    config.model.sparsity = (1.0, 3.0, 0.25)
    config.model.components = (64, 160, 24)
    config.model.whitening_epsilon = (0.01, 3.0, 1.0)
    config.greedy.steps = (1200, 800, 25)
    return config
