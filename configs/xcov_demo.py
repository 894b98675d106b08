"""XCov on the 5,000 digits that ship with the package, in about a minute: what `make demo` trains.

The paper's network and weights (see xcov_mnist.py) with a tenth of its data, so expect about 95 %, not 98.4.

    reverie train --config=xcov_demo --workdir=runs/demo
"""

import ml_collections
from reverie.configs import xcov_mnist


def get_config() -> ml_collections.ConfigDict:
    config = xcov_mnist.get_config()
    config.data.validation_fraction = 0.1
    config.train.epochs = 40.0
    config.train.log_every = 100
    config.train.checkpoint_every = 500
    config.train.evaluate_every = 300
    config.train.picture_every = 900
    return config
