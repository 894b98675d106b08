"""The training loop: every family and every strategy runs through this one file.

A run is a list of phases. A phase is some steps of one objective on one stream with one optimizer. The step
counter runs through all phases, and everything else follows from it: the data position, the learning rate,
the noise. So a checkpoint of (weights, optimizer, step) is the whole state, and a run stopped anywhere
resumes exactly as if it had not been stopped.
"""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable

import tensorflow as tf
from absl import logging

from ..errors import ClusterError, StorageError, UserError
from . import optimizers, strategies
from .agreement import Agreement
from .asynchronous import AsynchronousRunner
from .checkpoints import Checkpoints, saved_step
from .cluster import lost_processes
from .phases import Context, Hooks, LoopSettings, Phase, PlannedPhase, Span, TrainSettings, plan
from .records import Progress, Records, Throughput, Window
from .signals import StopRequest, stop_request
from .steps import Runner, TrainingState, shadows

# Calls of large models are cut to about this long, so that a signal never waits longer than that, or one step.
_CALL_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is looked at while training; each may be None.

    Attributes:
      evaluate: () -> dict of scalars, called every `evaluate_every` steps.
      pictures: () -> dict of uint8 pictures [height, width, 1 or 3], called every `picture_every` steps.
      finished: (number of the phase) -> dict of scalars, called once at the end of each, after its `finish`.
      health: (steps done) -> dict of scalars, called wherever something is evaluated, drawn or saved, and at the end of
        each phase; it says itself, in words, what it finds wrong.
    """

    evaluate: Callable[[], dict] | None = None
    pictures: Callable[[], dict] | None = None
    finished: Callable[[int], dict] | None = None
    health: Callable[[int], dict] | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
      step: steps done in all.
      signal: the signal that stopped it, or None at the end.
      examples_per_second: of this process, without the first call of each graph (tracing, compiling).
      seconds: wall time of this process's training.
      skipped: steps whose non-finite update was not applied.
    """

    step: int
    signal: int | None
    examples_per_second: float
    seconds: float
    skipped: int

    @property
    def exit_code(self) -> int:
        """0 at the end, else 128 and the signal's number, as shells have it."""
        return 0 if self.signal is None else 128 + self.signal


def train(context: Context, phases: list[Phase], watch: Watch = Watch()) -> Outcome:
    """Runs all phases, from the newest checkpoint in the run folder where there is one.

    Args:
      context: the model, how and where it is trained.
      phases: in order; at least one.
      watch: what is measured and drawn on the way.

    Returns:
      How it ended; the last step is checkpointed in every case but a non-finite stop.

    Raises:
      NonFiniteError: a loss or gradient was not finite (nothing of that step was applied).
      StorageError: the last checkpoint could not be written.
      ClusterError: a process that training cannot go on without was lost, or all of one kind.
      UserError: settings that cannot be run.

    Example:
      context = Context(model, LoopSettings(log_every=100), strategies.make_strategy("one"), "runs/first")
      outcome = train(context, [phase])
    """
    _check(context, phases)
    settings, strategy = context.settings, context.strategy
    with strategy.scope():
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        average = shadows(context.model.trainable_variables) if settings.ema_decay else []
    folder = f"{context.workdir}/checkpoints"
    with stop_request() as request, lost_processes(strategy):
        agreement = Agreement(strategy)
        session, runner = _Session(context, watch, request, agreement, saved_step(folder)), None
        agreement.meet()  # Nobody writes before all have seen what is there.
        for planned in plan(phases):
            phase = planned.phase
            if session.reached < planned.own.end or phase is phases[-1]:
                if runner is not None and phase.continues:
                    runner.go_on(planned)
                else:
                    with strategy.scope():
                        state = TrainingState(
                            step, average, optimizers.make_optimizer(phase.optimizer, phase.variables)
                        )
                        kind = AsynchronousRunner if strategies.is_asynchronous(strategy) else Runner
                        runner = kind(context, planned, state)
                        runner.stopping = lambda: request.number is not None
                    session.checkpoints = _restored(session, runner)
                if agreement.leads and session.records is None:
                    session.records = Records(context.workdir, int(step.numpy()))
                _run_phase(session, runner)
            if session.stopped:
                break
    if session.records:
        session.records.close()
    throughput = session.throughput
    return Outcome(
        int(step.numpy()), session.stopped or None, throughput.rate(), throughput.seconds(), throughput.skipped
    )


@dataclasses.dataclass
class _Session:
    """What this process keeps while it trains; `checkpoints` and `records` are made with the first phase it runs.

    Attributes:
      reached: the step of the checkpoint that it started from.
      records: None in a process that does not lead.
      stopped: the signal that ended it, or 0.
    """

    context: Context
    watch: Watch
    request: StopRequest
    agreement: Agreement
    reached: int
    throughput: Throughput = dataclasses.field(default_factory=Throughput)
    checkpoints: Checkpoints | None = None
    records: Records | None = None
    stopped: int = 0

    def agree(self, longest: int) -> int:
        """Takes note of a signal to any of the processes; the longest call that all of them want."""
        numbers, lengths = self.agreement.gathered(self.request.number or 0, longest).T
        self.stopped = int(numbers.max())
        return int(lengths.min())


def _check(context: Context, phases: list[Phase]) -> None:
    settings, strategy = context.settings, context.strategy
    if settings.jit and (strategy.num_replicas_in_sync > 1 or strategies.is_asynchronous(strategy)):
        raise UserError(
            "train.jit is True, but works on one replica only (XLA cannot reach the other replicas' variables); "
            "expected False, or --strategy=one"
        )
    for phase in phases:
        _check_rows(phase, strategy.num_replicas_in_sync)
        if settings.accumulate > 1:
            _check_parts(settings.accumulate, phase, strategy.num_replicas_in_sync)
    if strategies.is_asynchronous(strategy):
        if settings.ema_decay:
            raise UserError(
                f"train.ema_decay is {settings.ema_decay:g}, but asynchronous SGD keeps no moving average of the "
                "weights; expected 0"
            )
        if len(phases) > 1 or phases[0].hooks.observe:
            raise UserError("asynchronous SGD has no order of steps, so it cannot learn one task after another")


def _check_rows(phase: Phase, replicas: int) -> None:
    """Refuses an objective of many rows that is given one: it would be met, and nothing learned of it."""
    rows = phase.batch_size // replicas
    if phase.whole_batch and phase.take_in is None and rows < 2:
        raise UserError(
            f"a step of '{phase.name}' has {rows} row a replica, but {phase.whole_batch}; expected a batch_size of "
            f"{2 * replicas} or more"
        )


def _check_parts(accumulate: int, phase: Phase, replicas: int) -> None:
    """Refuses steps that cannot be worked through in parts."""
    reason = phase.whole_batch
    if phase.parts is not None:
        reason = "model.memory_saving updates one stage after the other, each by all rows of a step"
    if reason:
        raise UserError(f"train.accumulate is {accumulate}, but {reason}; expected 1")
    rows = phase.batch_size // replicas
    if rows % accumulate:
        raise UserError(
            f"train.accumulate is {accumulate}, but a step of '{phase.name}' has {rows} rows a replica; expected a "
            "number that divides them"
        )


def _restored(session: _Session, runner: Runner) -> Checkpoints:
    """Checkpoints of the phase; the newest is restored if it was written in it or at its very start."""
    context, start = runner.context, runner.planned.own.start
    weights = {"model": context.model, "step": runner.step}
    if runner.average:
        weights["average"] = runner.average
    if context.state is not None:
        weights["state"] = context.state
    folder, keep = f"{context.workdir}/checkpoints", context.settings.keep_checkpoints
    checkpoints = Checkpoints(folder, keep, optimizer=runner.optimizer, **weights)
    saved = session.reached
    if saved > start or (saved == start and runner.phase.continues):
        checkpoints.restore()
    elif saved == start and start > 0 and int(runner.step.numpy()) != start:
        # Written by the phase before: its optimizer is not ours.
        Checkpoints(folder, keep, **weights).restore(partial=True)
    return checkpoints


def _run_phase(session: _Session, runner: Runner) -> None:
    """Steps through the runner's phase, from wherever the step counter stands."""
    settings, watch, records = session.context.settings, session.watch, session.records
    assert session.checkpoints is not None
    planned, phase = runner.planned, runner.phase
    end, done = planned.own.end, int(runner.step.numpy())
    if done >= end:
        return
    if phase.hooks.begin:
        phase.hooks.begin()
    iterator = runner.iterator(done - planned.own.start)
    progress = Progress(phase.name, planned.shown.steps, done - planned.shown.start, phase.batch_size)
    cadences = _cadences(settings, watch)
    window, longest = Window(), session.agree(settings.steps_per_call)
    try:
        while done < end and not session.stopped:
            count = min([longest, end - done, *(n - done % n for n in cadences)])
            began = time.monotonic()
            with lost_processes(session.context.strategy):
                values = runner.call(iterator, count)
            seconds = time.monotonic() - began
            longest = min(settings.steps_per_call, max(1, int(_CALL_SECONDS * count / seconds)))
            done += count
            session.throughput.add(count * phase.batch_size, seconds, runner)
            window.add(values, count)
            progress.update(count, values["total"])
            saves = done == end or bool(settings.checkpoint_every and done % settings.checkpoint_every == 0)
            if saves:  # Before anything is measured or kept of weights that are none.
                session.checkpoints.check_finite(done)
            if records:
                _look(session, runner, records, window, done)
            if saves and done < end:
                _save(session, runner, final=False)
            longest = session.agree(longest)
        if done == end:
            if phase.hooks.finish:
                phase.hooks.finish()
            if watch.finished and records:
                with runner.averaged():
                    records.scalars(done, phase.name, watch.finished(planned.number))
        _save(session, runner, final=True)
    except ClusterError:
        # What this process has is whole: a step that was not summed over all processes was not applied. Weights on a
        # lost server are gone, and then the last checkpoint stands.
        with contextlib.suppress(tf.errors.OpError, StorageError):
            _save(session, runner, final=True)
        raise
    finally:
        progress.close()
    if session.stopped:
        logging.info("stopped by %s at step %d, saved", signal.Signals(session.stopped).name, done)


def _look(session: _Session, runner: Runner, records: Records, window: Window, done: int) -> None:
    """What is written down, measured and drawn after `done` steps."""
    settings, watch, phase = session.context.settings, session.watch, runner.phase
    ends = done == runner.planned.own.end
    if settings.log_every and (done % settings.log_every == 0 or ends):
        records.scalars(done, phase.name, {**window.take(), "examples_per_second": session.throughput.rate()})
    if watch.evaluate and settings.evaluate_every and done % settings.evaluate_every == 0:
        with runner.averaged():
            records.scalars(done, phase.name, watch.evaluate())
    if watch.pictures and settings.picture_every and (done % settings.picture_every == 0 or ends):
        with runner.averaged():
            records.pictures(done, phase.name, watch.pictures())
    if watch.health and (ends or any(done % n == 0 for n in _looks(settings))):
        with runner.averaged():
            found = watch.health(done)
        if found:
            records.scalars(done, phase.name, found)


def _cadences(settings: LoopSettings, watch: Watch) -> list[int]:
    """At multiples of which steps a call must end, because something is done there."""
    cadences = [settings.log_every, settings.checkpoint_every]
    if watch.evaluate:
        cadences.append(settings.evaluate_every)
    if watch.pictures:
        cadences.append(settings.picture_every)
    return [cadence for cadence in cadences if cadence] + (_looks(settings) if watch.health else [])


def _looks(settings: LoopSettings) -> list[int]:
    """At multiples of which steps the health of the network is looked at."""
    every = (settings.evaluate_every, settings.picture_every, settings.checkpoint_every)
    return [cadence for cadence in every if cadence]


def _save(session: _Session, runner: Runner, final: bool) -> None:
    """Calibrates and saves; a failed write in mid-run is reported and survived, but not that the run folder is gone.

    Every process calibrates, for that changes the model; one of them saves.
    """
    if runner.phase.hooks.calibrate:
        with runner.averaged():
            runner.phase.hooks.calibrate()
    assert session.checkpoints is not None
    if not session.agreement.leads:
        return
    try:
        session.checkpoints.save(int(runner.step.numpy()))
    except StorageError as error:
        if final or session.checkpoints.gone:
            raise
        logging.error("%s; training continues", error)


__all__ = [
    "Context",
    "Hooks",
    "LoopSettings",
    "Outcome",
    "Phase",
    "PlannedPhase",
    "Span",
    "TrainSettings",
    "Watch",
    "plan",
    "train",
]
