"""Learning without forgetting: rehearsal of the current images themselves."""

from typing import Any

import tensorflow as tf

from ...layers import Noise
from .method import Rehearsed
from .network_copy import Copy


class LwF(Copy):
    """Learning without forgetting (Li and Hoiem 2017, TPAMI 40:2935): the copy's answers on the current images."""

    name, recipe = "lwf", "lwf"
    summary = "learning without forgetting: the copy's answers on the current images"

    @classmethod
    def configure(cls, config: Any, chosen: bool, value: float | None) -> None:
        """See `Method.configure`: learning without forgetting is distillation."""
        super().configure(config, chosen, value)
        if chosen:
            config.continual.distillation = True

    def rows(self, current: tf.Tensor, count: int, task: tf.Tensor, noise: Noise) -> Rehearsed:
        """See `Method.rows`; there are as many rows as current ones."""
        del count, noise
        size = tf.shape(current)[0]
        targets = self.answers(current, self.earlier_blocks(size, task), task)
        return Rehearsed(None, targets, targets, tf.ones([size]), self._settings.distillation)
