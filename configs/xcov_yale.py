"""XCov on the Yale faces: expression and light as two observed heads, the person in the free code, 48x48 gray.

TODO
"""

import ml_collections
from reverie.configs import xcov_expressions


def get_config() -> ml_collections.ConfigDict:
    config = xcov_expressions.get_config()
    config.data.source = "yale:pattern_recognition/yalefaces"
    config.data.validation_fraction = 0.2
    config.data.test_fraction = 0.2
    # The first seed with which three people are held out for either.
    config.data.holdout_seed = 50
    config.model.heads = ml_collections.ConfigDict({"expression": 6, "light": 3})
    config.model.latents = 16
    config.train.steps = 400
    config.train.batch_size = 50
    config.train.evaluate_every = 100
    return config
