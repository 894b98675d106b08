"""XCov on the Toronto Face Database: 2304-2000-2000-{7 softmax, 793 linear}-2000-2000-2304, 48x48 gray.

Cheung et al. 2014, TFD column. The sizes are those of a published replication that copies that column; the
paper's own accuracy could not be recovered, so none is claimed. Faces without an expression label (-1) join
with reconstruction and cross-covariance only. TFD is handed out by its authors: put TFD_48x48.mat in a folder.

    reverie train --config=xcov_tfd --config.data.source=tfd:DIR --workdir=runs/xcov_tfd

With 793 latents and a batch of 100 the penalty mostly fits sampling noise of the batch, hence 500 here.
Not run on the real data: no figure.
"""

import ml_collections
from reverie.configs import xcov_mnist


def get_config() -> ml_collections.ConfigDict:
    config = xcov_mnist.get_config()
    config.data.source = "tfd:data/tfd"
    config.data.image_shape = (48, 48, 1)
    config.model.image_shape = (48, 48, 1)
    config.model.heads = ml_collections.ConfigDict({"expression": 7})
    config.model.latents = 793
    config.model.encoder = (2000, 2000)
    config.model.decoder = (2000, 2000)
    config.train.epochs = 50.0
    config.train.batch_size = 500
    return config
