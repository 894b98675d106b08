"""XCov on the Yale faces: expression and light as two observed heads, the person in the free code, 48x48 gray.

TODO
"""

import ml_collections
from reverie.configs import xcov_expressions


def get_config() -> ml_collections.ConfigDict:
    config = xcov_expressions.get_config()
    config.data.source = "yale:pattern_recognition/yalefaces"
    config.model.heads = ml_collections.ConfigDict({"expression": 6, "light": 3})
    config.data.holdout_seed = 2
    config.data.validation_fraction = 0.2
    config.data.test_fraction = 0.2
    config.model.latents = 50
    config.train.steps = 1000
    config.train.batch_size = 50
    return config
