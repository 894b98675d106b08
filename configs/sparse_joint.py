"""The paper's network in small, as its equations are printed: untied, joint, 24 million encoder weights, 64 pixels.

As in Le et al. 2012: untied filters at every position (stride 1), 8 maps, L2 pooling and contrast normalization over
5 x 5, lambda 0.1, three stages trained together to rebuild the whole of what they see, minibatches of 100. Smaller than
the paper: field 10 instead of 18, so that a neuron sees 52 of 64 pixels. Different: Adam on one machine instead of
asynchronous SGD on a thousand (for that, `--strategy=ps`), ZCA whitening (the paper whitens, but does not say how),
decoder filters of length one.

A few thousand frames are a smoke test of it: filters stay near the noise that they start from. What learns from so
little is `sparse_small`, whose filters are shared; `--config=sparse_untied` starts from those.

    reverie data frames --videos='videos/**' --out=frames --size=64
    reverie train --config=sparse_joint --config.data.source=frames:frames --workdir=runs/joint
    reverie evaluate --workdir=runs/joint
"""

import ml_collections
from reverie.configs import defaults


def get_config() -> ml_collections.ConfigDict:
    config = defaults.get_config("sparse")
    config.data.source = "frames:frames"
    config.data.image_shape = (64, 64, 3)
    config.model.image_shape = (64, 64, 3)
    config.model.field = 10
    config.train.steps = 2000
    config.train.steps_per_call = 10
    config.train.log_every = 50
    config.train.checkpoint_every = 500
    config.schedule.name = "cosine"
    return config
