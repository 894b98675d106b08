"""XCov on CMU Multi-PIE: a convolutional encoder, two observed heads (pose, light) and a free code for identity.

Cheung et al. 2014, Multi-PIE column: 48x48 images, a convolution to 20x20x32, dense 2000-2000, several softmax
heads and a linear code, and the mirror image of it back to 48x48. Filter size (10, stride 2, which maps 48 to
20 and back exactly), code size and the choice of heads are ours: the paper's are not recovered. Subjects are
split, never images. Multi-PIE is licensed: bring a folder of your own copy.

    reverie train --config=xcov_multipie --config.data.source=multipie:DIR --workdir=runs/xcov_multipie

Not run on the real data: no figure.
"""

import ml_collections
from reverie.configs import xcov_mnist


def get_config() -> ml_collections.ConfigDict:
    config = xcov_mnist.get_config()
    config.data.source = "multipie:data/multipie"
    config.data.image_shape = (48, 48, 1)
    config.data.resize = "crop"
    config.data.validation_fraction = 0.1
    config.data.test_fraction = 0.2
    config.model.image_shape = (48, 48, 1)
    config.model.heads = ml_collections.ConfigDict({"pose": 13, "light": 20})
    config.model.latents = 512
    config.model.convolutions = ((32, 10, 2),)
    config.model.encoder = (2000, 2000)
    config.model.decoder = (2000, 2000)
    config.train.epochs = 20.0
    config.train.batch_size = 500
    return config
