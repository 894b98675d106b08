"""Asynchronous SGD: workers that fetch weights, compute gradients and push them, none waiting for another.

The weights lie on parameter servers, a band of a kernel on each in turn (`shards` of the local layers), and each
server applies gradients as they come, computed from weights that others have changed since (Le et al. 2012,
section 3.3; Dean et al. 2012, "Downpour SGD"). Everything else is the one loop: `AsynchronousRunner` takes the place of
`steps.Runner` where the strategy is a ParameterServerStrategy.

Training continues without a lost worker: another takes over its step, so a step may be done twice. A lost server takes
its weights with it: the job ends, and the same command resumes from the last checkpoint.
"""

import dataclasses
import time

import tensorflow as tf

from ..errors import ClusterError
from .phases import Context, PlannedPhase
from .steps import Runner, TrainingState

# Calls in flight for each worker, so that none waits for the coordinator.
_IN_FLIGHT = 4
# How often it is looked whether they are done, and how long a stop that was asked for waits for a silent worker.
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class WorkerContext:
    """Stands for `tf.distribute.InputContext` on a worker: a stream of its own instead of a share of one.

    Attributes:
      seed_offset: int64 scalar tensor, different on every worker.
    """

    seed_offset: tf.Tensor
    num_input_pipelines: int = 1
    input_pipeline_id: int = 0


class AsynchronousRunner(Runner):
    """`Runner` whose steps are scheduled on workers; arguments as there."""

    def __init__(self, context: Context, planned: PlannedPhase, state: TrainingState):
        super().__init__(context, planned, state)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self.context.strategy)
        self._workers = self.context.strategy._extended._num_workers

    def iterator(self, first: int):
        """An iterator on every worker, over its own order of the data; `first` keys it, for there is no one order."""

        def stream():
            index = tf.distribute.coordinator.experimental_get_current_worker_index()
            offset = tf.cast(index, tf.int64) * 1_000_003 + first * 7919
            return self.phase.stream(0, WorkerContext(offset))

        return iter(self._coordinator.create_per_worker_dataset(stream))

    def call(self, iterator, count: int) -> dict:
        """Schedules `count` steps over the workers, waits for all, and returns the mean of every loss.

        Raises:
          NonFiniteError: see `LoopSettings.on_nonfinite`.
          ClusterError: no worker has done a step for the time limit.
        """
        before = int(self.step.numpy())
        each = max(1, count // (self._workers * _IN_FLIGHT))
        sizes = [min(each, count - done) for done in range(0, count, each)]
        values = [
            self._coordinator.schedule(self.graph, args=(iterator, tf.constant(size), tf.constant(0))) for size in sizes
        ]
        self._wait()
        fetched = self._coordinator.fetch(values)
        totals = sum(result[0].numpy() if hasattr(result[0], "numpy") else result[0] for result in fetched)
        bad = sum(int(result[2]) for result in fetched)
        last = next((result[1] for result in fetched if int(result[2])), fetched[-1][1])
        # A step that was done twice, because its worker was lost after it, counts once.
        self.step.assign(before + count - (bad if self.context.settings.on_nonfinite == "stop" else 0))
        return self._judged(totals, last, bad, bad, count)

    def _wait(self) -> None:
        """Until all that was scheduled is done; the coordinator itself would wait for lost workers for ever."""
        limit, reached, since = self.context.settings.cluster_timeout, -1, time.monotonic()
        while not self._coordinator.done():
            time.sleep(_LOOK_SECONDS)
            step = int(self.step.numpy())
            if step != reached:
                reached, since = step, time.monotonic()
            waited = time.monotonic() - since
            if waited > (min(limit, _PATIENCE_SECONDS) if self.stopping() else limit):
                raise ClusterError(
                    f"no worker has done a step for {waited:.0f} s; start workers and the same command again: training "
                    "resumes from the last checkpoint"
                )
        self._coordinator.join()
