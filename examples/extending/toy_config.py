"""The toy family on the toy source.

reverie train --plugins=toy_layer.py,toy_family.py,toy_source.py --config=toy_config.py --workdir=runs/toy
"""

from reverie.configs import defaults


def get_config():
    config = defaults.get_config("toy")
    config.data.source = "toyrows:120"
    config.data.image_shape = (8, 8, 1)
    config.data.toy_brightness = 190
    config.train.steps = 40
    config.train.batch_size = 20
    config.train.steps_per_call = 5
    config.train.log_every = 10
    config.train.checkpoint_every = 10
    return config
