"""Lost processes: the many faces that TensorFlow gives them, as one error."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from ..errors import ClusterError
from .strategies import is_asynchronous, is_multi_worker

_FACES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


@contextlib.contextmanager
def lost_processes(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Around what needs the other processes of a cluster; a no-op where there are none.

    Raises:
      ClusterError: one that training cannot go on without is gone.

    Example:
      with lost_processes(strategy):
          values = runner.call(iterator, 50)
    """
    try:
        yield
    except _FACES as error:
        if is_asynchronous(strategy):
            raise ClusterError(
                "a parameter server was lost with its weights; start the servers and the same command again: training "
                "resumes from the last checkpoint"
            ) from None
        if is_multi_worker(strategy):
            raise ClusterError(
                "a worker was lost; start the same command again on all of them: training resumes from the last "
                "checkpoint"
            ) from error
        raise
