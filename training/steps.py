"""The compiled steps of one phase: gradients, the sum over replicas, the finite check, the update."""

import contextlib
import dataclasses
from collections.abc import Callable

import tensorflow as tf

from ..errors import NonFiniteError
from ..layers import Noise
from . import schedules
from .optimizers import FromKeras, Fused
from .phases import Context, Phase, PlannedPhase


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """The variables of training beside the model's own.

    Attributes:
      step: int64, the counter of all steps.
      average: shadows of the trainable weights that hold their moving average, or none.
      optimizer: from `optimizers.make_optimizer`.
    """

    step: tf.Variable
    average: list
    optimizer: Fused | FromKeras


class Runner:
    """The compiled steps of one phase, and of those that continue it.

    Arguments:
      context: of the run.
      planned: the phase in its place.
      state: the counter, the averages, the optimizer.

    Attributes:
      stopping: whether the run was asked to stop, for calls that may wait for other processes.
    """

    def __init__(self, context: Context, planned: PlannedPhase, state: TrainingState):
        self.context, self.planned = context, planned
        self.step, self.average, self.optimizer = state.step, state.average, state.optimizer
        # A schedule that restarts counts from the start of each phase, the others from that of the optimizer.
        self._restarts = schedules.settings_of(planned.phase.schedule).restarts
        counted = planned.own if self._restarts else planned.chain
        self._zero = tf.Variable(
            counted.start,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self.rate = schedules.make_schedule(planned.phase.schedule, counted.steps)
        self.variables = [v.value for v in planned.phase.variables]
        self.names: list[str] = []
        self.skipped = 0
        self.stopping: Callable[[], bool] = lambda: False
        self._in_a_row = 0
        self._build()

    @property
    def phase(self) -> Phase:
        """The phase that is run."""
        return self.planned.phase

    def _build(self) -> None:
        # A nested tf.function may not all-reduce, so it is there only for XLA, which is for one replica.
        compute = self._compute_gradients if self.context.settings.accumulate == 1 else self._accumulate_gradients
        compiled = {"jit_compile": True, "autograph": False}
        self._gradients = tf.function(compute, **compiled) if self.context.settings.jit else compute
        # AutoGraph turns the loop over steps into one of the graph. All below is made of graph operators already:
        # converting its source too, and that of every layer, took more of the time to build a graph than building it.
        self._graph_step = tf.autograph.experimental.do_not_convert(self._step)
        self.graph = tf.function(self._many_steps)

    def go_on(self, planned: PlannedPhase) -> None:
        """Continues with the next phase and the optimizer as it is; the graph is rebuilt only for new losses."""
        before, phase = self.phase, planned.phase
        anew = (phase.losses, phase.take_in) != (before.losses, before.take_in)
        anew = anew or phase.hooks.observe != before.hooks.observe
        if self._restarts:
            anew = anew or phase.steps != before.steps
            self.rate = schedules.make_schedule(phase.schedule, phase.steps)
            self._zero.assign(planned.own.start)
        self.planned = planned
        if anew:
            self._build()

    def iterator(self, first: int):
        """An iterator over per-replica batches from the phase's step `first` on."""
        stream = self.context.strategy.distribute_datasets_from_function(
            lambda context: self.phase.stream(first, context)
        )
        return iter(stream)

    def call(self, iterator, count: int) -> dict:
        """Runs `count` steps in one graph call and returns the mean of every loss.

        Raises:
          NonFiniteError: see `LoopSettings.on_nonfinite`.
        """
        totals, last, bad, in_a_row = self.graph(iterator, tf.constant(count), tf.constant(self._in_a_row))
        return self._judged(totals.numpy(), last.numpy(), int(bad), int(in_a_row), count)

    def _judged(self, totals, last, bad: int, in_a_row: int, count: int) -> dict:
        """Means of the losses over good steps, unless too many were bad."""
        if bad:
            self._in_a_row = in_a_row
            self.skipped += bad
            if self.context.settings.on_nonfinite == "stop" or self._in_a_row > self.context.settings.max_skipped:
                shown = ", ".join(f"{name}={value:g}" for name, value in zip(self.names, last, strict=True))
                raise NonFiniteError(
                    f"step {int(self.step.numpy()) + 1}: loss or gradient is not finite ({shown}); nothing of it was "
                    f"applied: {schedules.LOWER} or check the data, then start again; where this comes back at once, "
                    "remove the files of the newest checkpoint to go on from the one before"
                )
        else:
            self._in_a_row = 0
        return dict(zip(self.names, totals / max(count - bad, 1), strict=True))

    def _many_steps(self, iterator, count, in_a_row):
        """Graph of many steps: (sums of losses over good steps, last losses, bad steps, bad steps in a row)."""
        stop = self.context.settings.on_nonfinite == "stop"
        # How many losses there are is known only once they are traced, inside the loop: one number stands for them
        # until the first step. (Tracing a step ahead of the loop instead would double the time to build the graph.)
        totals, last = tf.zeros([1]), tf.zeros([1])
        good, bad, done = tf.constant(True), tf.constant(0), tf.constant(0)
        while done < count and (good or not stop) and in_a_row <= self.context.settings.max_skipped:
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(totals, tf.TensorShape([None])), (last, tf.TensorShape([None]))]
            )
            last, good = self._graph_step(next(iterator))
            totals += tf.where(good, last, tf.zeros_like(last))
            bad += tf.cast(~good, tf.int32)
            in_a_row = tf.where(good, 0, in_a_row + 1)
            done += 1
        return totals, last, bad, in_a_row

    def _step(self, batch):
        """One step on all replicas: ([losses], whether it was finite and so applied)."""
        values, finite = self.context.strategy.run(self._replica_step, args=(batch,))
        values = self.context.strategy.experimental_local_results(values)[0]
        finite = self.context.strategy.experimental_local_results(finite)[0]
        # A stop must leave the counter at the last step that was applied.
        move = tf.logical_or(finite, self.context.settings.on_nonfinite == "skip")
        self.step.assign_add(tf.cast(move, tf.int64))
        return values, finite

    def _replica_step(self, batch):
        context = tf.distribute.get_replica_context()
        step = tf.identity(self.step)
        if self.phase.take_in is not None:
            return self._take_in(self.phase.take_in, batch)
        if self.phase.parts is not None:
            return self._step_in_parts(self.phase.parts, batch, step, context)
        values, gradients = self._gradients(batch, step, context.replica_id_in_sync_group)
        if context.num_replicas_in_sync > 1:
            *gradients, values = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, values])
        finite = tf.reduce_all(tf.math.is_finite(values)) & _finite(gradients)
        rate = self.rate(step - self._zero)
        if self.optimizer.inside_cond:

            def apply():
                self._apply(gradients, rate, step)
                return True

            tf.cond(finite, apply, lambda: False)
        else:
            # No conditional around a Keras optimizer (it all-reduces): it is given zeros instead.
            self._apply([tf.where(finite, g, tf.zeros_like(g)) for g in gradients], rate, step)
        return values, finite

    def _take_in(self, take_in: Callable, batch):
        """One step without a gradient."""
        losses, update = take_in(batch)
        # The last batch of a pass may be smaller than the others.
        means = {name: tf.reduce_mean(value) for name, value in losses.items()}
        self.names = list(means)
        values = tf.stack(list(means.values()))
        finite = tf.reduce_all(tf.math.is_finite(values))

        def apply():
            update()
            return True

        return values, tf.cond(finite, apply, lambda: False)

    def _step_in_parts(self, parts: Callable, batch, step, context):
        """One step whose parts are updated one after the other; a part that is not finite ends it there."""
        values, finite, rate = {}, tf.constant(True), self.rate(step - self._zero)
        places = {id(variable): place for place, variable in enumerate(self.phase.variables)}
        for compute, variables in parts(batch):
            # Nothing of a part is computed before the one before it was applied and its gradients are gone.
            with tf.control_dependencies([finite]):
                with tf.GradientTape() as tape:
                    losses = compute()
                    means = {name: tf.reduce_sum(value) / self.phase.batch_size for name, value in losses.items()}
                tensors = [variable.value for variable in variables]
                gradients = tape.gradient(means["total"], tensors, unconnected_gradients="zero")
                if context.num_replicas_in_sync > 1:
                    *gradients, means = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, means])
                good = tf.math.is_finite(means["total"]) & _finite(gradients)
                finite = finite & good
                chosen = [places[id(variable)] for variable in variables]

                def apply(gradients=gradients, tensors=tensors, chosen=chosen):
                    self.optimizer.apply(gradients, tensors, rate, step - self.planned.chain.start, chosen)
                    self._constrain({id(tensor) for tensor in tensors})
                    return True

                finite = tf.cond(finite, apply, lambda: False)
            total = values.get("total", 0.0) + means.pop("total")
            values |= {"total": total, **means}
        self.names = list(values)
        return tf.stack(list(values.values())), finite

    def _constrain(self, among=None) -> None:
        """Brings weights back to what is admitted, each replica its own copy."""
        before = []
        for variable, admitted in self.phase.constraints:
            if among is None or id(variable.value) in among:
                # One after the other: side by side they would need room for a copy of all of them.
                with tf.control_dependencies(before):
                    value = admitted(tf.convert_to_tensor(variable.value))
                before = [tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=value)]

    def _accumulate_gradients(self, batch, step, replica):
        """As `_compute_gradients`, in parts of the rows, each begun when the one before is done and its memory free."""
        count = self.context.settings.accumulate
        size = self.phase.batch_size // self.context.strategy.num_replicas_in_sync // count
        parts = {name: tf.reshape(value, [count, size, *value.shape[1:]]) for name, value in batch.items()}

        def of(number):
            rows = {name: value[number] for name, value in parts.items()}
            values, gradients = self._compute_gradients(rows, step, replica, number)
            return values, [tf.convert_to_tensor(gradient) for gradient in gradients]

        # The first is outside of the loop: how many losses there are is known only once they are traced.
        values, gradients = of(tf.constant(0))
        with tf.control_dependencies([values, *gradients]):
            second = tf.constant(1)

        def add(number, values, gradients):
            more, others = of(number)
            return number + 1, values + more, [one + other for one, other in zip(gradients, others, strict=True)]

        _, values, gradients = tf.while_loop(
            lambda number, *_: number < count, add, [second, values, gradients], parallel_iterations=1
        )
        return values, gradients

    def _compute_gradients(self, batch, step, replica, part=0):
        """([losses], gradients): sums over this replica's rows, divided by the global batch."""
        settings = self.context.settings
        with tf.GradientTape() as tape:
            losses = self.phase.losses(batch, Noise(settings.seed, step, replica, part, settings.accumulate), True)
            means = {name: tf.reduce_sum(value) / self.phase.batch_size for name, value in losses.items()}
        gradients = tape.gradient(means["total"], self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self.names = list(means)
        return tf.stack(list(means.values())), gradients

    def _apply(self, gradients, rate, step):
        # Before the update what observes it takes down what it needs, and compares afterwards.
        observe = self.phase.hooks.observe
        compare = observe(gradients) if observe else None
        self.optimizer.apply(gradients, self.variables, rate, step - self.planned.chain.start)
        self._constrain()
        if compare:
            compare()
        decay = self.context.settings.ema_decay
        for shadow, variable in zip(self.average, self.context.model.trainable_variables, strict=False):
            value = tf.convert_to_tensor(variable.value)
            change = (1.0 - decay) * (tf.convert_to_tensor(shadow) - value)
            tf.raw_ops.AssignSubVariableOp(resource=shadow.handle, value=change)

    @contextlib.contextmanager
    def averaged(self):
        """Inside the block the model has its averaged weights; without averaging, its own."""
        if not self.average:
            yield
            return
        variables = self.context.model.trainable_variables
        kept = [variable.numpy() for variable in variables]
        for variable, shadow in zip(variables, self.average, strict=True):
            variable.assign(shadow.numpy())
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)


def _finite(gradients) -> tf.Tensor:
    """Whether every number of every gradient is finite, bool []."""
    # One sum says so, unless squares above 2e19 overflow in it; only then is every number looked at.
    return tf.cond(
        tf.math.is_finite(tf.linalg.global_norm(gradients)),
        lambda: True,
        lambda: tf.reduce_all(tf.stack([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])),
    )


def shadows(variables: list) -> list[tf.Variable]:
    """Copies of variables, to hold their moving average; call it inside the strategy's scope."""
    return [
        tf.Variable(v.numpy(), trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        for v in variables
    ]
