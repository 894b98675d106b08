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
    config.model.encoder = (500, 500)
    config.model.decoder = (500, 500)
    config.model.latents = 64
    config.model.reconstruction_weight = 300.0
    config.model.covariance_weight = 100.0
    config.train.epochs = 0.0
    config.train.steps = 2000
    config.train.batch_size = 100
    config.train.evaluate_every = 500
    config.train.picture_every = 0
    config.optimizer = ml_collections.ConfigDict({"name": "adam"})
    config.schedule.rate = 1e-3
    return config
