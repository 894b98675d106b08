"""What the processes that train one model together agree on: when to stop, how long a call is, who writes.

Each runs the same program. Anything that one decides by itself, from its own clock or a signal sent to it alone, would
leave the others waiting in a sum over all for one that is not coming.
"""

import numpy as np
import tensorflow as tf

from .strategies import is_multi_worker


class Agreement:
    """Numbers of all workers; with one process, its own.

    Arguments:
      strategy: from `strategies.make_strategy`.

    Attributes:
      leads: whether this process writes: checkpoints, metrics, pictures. Of several workers it is the first.

    Example:
      >>> import tensorflow as tf
      >>> Agreement(tf.distribute.get_strategy()).gathered(3, 4).tolist()
      [[3, 4]]
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self._many = is_multi_worker(strategy)
        self.leads = not self._many or _is_first(strategy)
        self._sum = tf.function(self._replica_sums, autograph=False)

    def gathered(self, *values: int) -> np.ndarray:
        """int64 [workers, values]; every worker calls it at the same place, and waits there for all others."""
        own = np.array(values, np.int64)[None]
        if not self._many:
            return own
        # A worker with several devices stands there once for each of them.
        return self._strategy.experimental_local_results(self._sum(tf.constant(own)))[0].numpy()

    def meet(self) -> None:
        """Waits for all workers."""
        self.gathered(0)

    def _replica_sums(self, own):
        def in_replica(own):
            context = tf.distribute.get_replica_context()
            place = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=tf.int64)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, place[:, None] * own)

        return self._strategy.run(in_replica, args=(own,))


def _is_first(strategy: tf.distribute.Strategy) -> bool:
    resolver = strategy.cluster_resolver
    with_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == ("chief" if with_chief else "worker") and resolver.task_id == 0
