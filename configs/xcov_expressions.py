"""XCov on expressions of public photographs: the task of `xcov_tfd` on faces that anyone can have, 48x48 gray.

TODO
"""

import ml_collections
from reverie.configs import xcov_tfd


def get_config() -> ml_collections.ConfigDict:
    config = xcov_tfd.get_config()
    config.data.source = "expressions:facial_expressions"
    config.data.resize = "crop"
    config.data.validation_fraction = 0.1
    config.data.test_fraction = 0.2
    config.model.heads = ml_collections.ConfigDict({"expression": 6})
    config.model.encoder = (1000, 1000)
    config.model.decoder = (1000, 1000)
    config.model.latents = 100
    config.train.epochs = 0.0
    config.train.steps = 3000
    config.train.batch_size = 100
    config.train.evaluate_every = 500
    config.train.picture_every = 0
    return config
