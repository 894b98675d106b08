"""Runs with a pretrained network: a head learns on top of it, then everything together."""

import tensorflow as tf

from ..training import transfer
from .plain import Plain, whole


class Transfer(Plain):
    """See `kinds.Kind`: a plain run in two phases."""

    name = "transfer"
    section = "transfer"

    def phases(self, config, model, images, strategy: tf.distribute.Strategy, begun: bool = False) -> list:
        chosen = self.own_settings(config, transfer.TransferSettings)
        with strategy.scope():
            return transfer.phases(chosen, model, whole(config, model, images, strategy), begun)
