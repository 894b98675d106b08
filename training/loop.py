"""The training loop: every family and every strategy runs through this one file.

A run is a list of phases. A phase is some steps of one objective on one stream with one optimiser. The step
counter runs through all phases, and everything else follows from it: the data position, the learning rate,
the noise. So a checkpoint of (weights, optimiser, step) is the whole state, and a run stopped anywhere goes
on exactly as if it had not been stopped.
"""

import dataclasses
import functools
import signal
import time
from collections.abc import Callable

import tensorflow as tf
from absl import logging

from ..errors import StorageError, UserError
from . import optimizers, strategies
from .asynchronous import AsynchronousRunner, lost_servers
from .checkpoints import Checkpoints, saved_step
from .records import Progress, Records, Tally, Window
from .signals import stop_request
from .steps import Runner, shadows

# Calls of large models are cut to about this long, so that a signal never waits longer than that, or one step.
_CALL_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some steps of one objective.

    Attributes:
      name: for logs.
      steps: how many.
      batch_size: images a step over all replicas.
      losses: (batch, noise, training) -> dict of float32 [rows], "total" among them.
      variables: Keras variables to train.
      stream: (first step, input context) -> dataset of one replica's share of the batch an element.
      optimizer, schedule: the config sections of those names.
      calibrate: called before every checkpoint, or None.
      continues: whether the optimiser and the schedule go on from the phase before, which then trains the same
        variables on the same batch size; where `losses` is the same function too, its graph is used again.
      begin: called when the phase starts and when it is taken up again, after the weights were restored.
      finish: called once after the last step, before its checkpoint: what it changes is kept or done again.
      observe: called inside every applied step with the gradients; returns what to call after the update.
      constraints: [(variable, value -> admitted value)], held after every update.
      parts: batch -> [(() -> losses, variables)], or None: the same objective in parts that share no weights, whose
        gradients are computed and applied one after the other, so that memory holds those of one part only.
    """

    name: str
    steps: int
    batch_size: int
    losses: Callable
    variables: list
    stream: Callable
    optimizer: dict
    schedule: dict
    calibrate: Callable | None = None
    continues: bool = False
    begin: Callable | None = None
    finish: Callable | None = None
    observe: Callable | None = None
    constraints: tuple = ()
    parts: Callable | None = None


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """How the loop runs; none of it changes what is learned, but for `ema_decay`.

    Attributes:
      seed: keys all noise.
      steps_per_call: most steps in one graph call between two looks at signals; more is faster for tiny models.
      log_every, checkpoint_every, evaluate_every, picture_every: in steps; 0 is never.
      keep_checkpoints: how many of the latest.
      ema_decay: decay of a moving average of the weights, kept beside them; 0 is none.
      jit: XLA-compile the gradient function (one replica only).
      on_nonfinite: "stop" at the first loss or gradient that is not finite, or "skip" such steps.
      max_skipped: with "skip", how many in a row are borne.
    """

    seed: int = 0
    steps_per_call: int = 50
    log_every: int = 100
    checkpoint_every: int = 1000
    evaluate_every: int = 0
    picture_every: int = 0
    keep_checkpoints: int = 3
    ema_decay: float = 0.0
    jit: bool = False
    on_nonfinite: str = "stop"
    max_skipped: int = 10


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
        return 0 if self.signal is None else 128 + self.signal


def train(
    model: tf.Module,
    phases: list,
    settings: LoopSettings,
    strategy: tf.distribute.Strategy,
    workdir,
    evaluate: Callable | None = None,
    pictures: Callable | None = None,
    state: tf.Module | None = None,
    finished: Callable | None = None,
) -> Outcome:
    """Runs all phases, from the newest checkpoint in `workdir` where there is one.

    Args:
      model: built inside `strategy.scope()`.
      phases: in order; at least one.
      settings: see `LoopSettings`.
      strategy: from `strategies.build`.
      workdir: the run folder.
      evaluate: () -> dict of scalars, called every `evaluate_every` steps.
      pictures: () -> dict of uint8 pictures, called every `picture_every` steps.
      state: what else belongs to the run's state, kept in every checkpoint.
      finished: (number of the phase) -> dict of scalars, called once at the end of each, after its `finish`.

    Returns:
      How it ended; the last step is checkpointed in every case but a non-finite stop.

    Raises:
      NonFiniteError: a loss or gradient was not finite (nothing of that step was applied).
      StorageError: the last checkpoint could not be written.
      ClusterError: a parameter server was lost.
      UserError: settings that cannot be run.
    """
    _check(settings, strategy, phases)
    with strategy.scope():
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        average = shadows(model.trainable_variables) if settings.ema_decay else []
    tally = Tally()
    records = None
    with stop_request() as request, lost_servers():
        start, runner = 0, None
        for number, phase in enumerate(phases):
            end = start + phase.steps
            if saved_step(f"{workdir}/checkpoints") < end or phase is phases[-1]:
                if runner is not None and phase.continues:
                    runner.go_on(phase, start)
                else:
                    with strategy.scope():
                        optimizer = optimizers.build(phase.optimizer, phase.variables)
                        origin, length = _chain(phases, number)
                        kind = AsynchronousRunner if strategies.is_asynchronous(strategy) else Runner
                        runner = kind(model, phase, settings, strategy, step, average, optimizer, start, origin, length)
                    checkpoints = _restored(workdir, settings, runner, state)
                records = records or Records(workdir, int(step.numpy()))
                done = None if finished is None else functools.partial(finished, number)
                watched = _chain(phases, number, one_name=True)
                _run_phase(runner, checkpoints, records, request, tally, evaluate, pictures, done, watched)
            if request.number is not None:
                break
            start = end
    records.close()
    return Outcome(int(step.numpy()), request.number, tally.rate(), tally.seconds(), tally.skipped)


def _check(settings: LoopSettings, strategy, phases: list) -> None:
    if settings.on_nonfinite not in ("stop", "skip"):
        raise UserError(f"on_nonfinite is '{settings.on_nonfinite}'; expected 'stop' or 'skip'")
    if settings.steps_per_call < 1:
        raise UserError(f"steps_per_call is {settings.steps_per_call}; expected at least 1")
    if not 0.0 <= settings.ema_decay < 1.0:
        raise UserError(f"ema_decay is {settings.ema_decay:g}; expected at least 0 and below 1")
    if settings.jit and (strategy.num_replicas_in_sync > 1 or strategies.is_asynchronous(strategy)):
        raise UserError("jit works on one replica only (XLA cannot reach the other replicas' variables)")
    if strategies.is_asynchronous(strategy):
        if settings.ema_decay:
            raise UserError("asynchronous SGD keeps no moving average of the weights; set train.ema_decay to 0")
        if len(phases) > 1 or phases[0].observe:
            raise UserError("asynchronous SGD has no order of steps, so it cannot learn one task after another")


def _chain(phases: list, number: int, one_name: bool = False) -> tuple:
    """(first step, length in steps) of the run of phases around `number` that share one optimiser, or a name too."""

    def goes_on(later):
        return phases[later].continues and (not one_name or phases[later].name == phases[later - 1].name)

    first = number
    while first > 0 and goes_on(first):
        first -= 1
    last = number
    while last + 1 < len(phases) and goes_on(last + 1):
        last += 1
    return sum(phase.steps for phase in phases[:first]), sum(phase.steps for phase in phases[first : last + 1])


def _restored(workdir, settings, runner, state) -> Checkpoints:
    """Checkpoints of the phase; the newest is restored if it was written in it or at its very start."""
    start = runner.start
    weights = {"model": runner.model, "step": runner.step}
    if runner.average:
        weights["average"] = runner.average
    if state is not None:
        weights["state"] = state
    folder = f"{workdir}/checkpoints"
    checkpoints = Checkpoints(folder, settings.keep_checkpoints, optimizer=runner.optimizer, **weights)
    saved = saved_step(f"{workdir}/checkpoints")
    if saved > start or (saved == start and runner.phase.continues):
        checkpoints.restore()
    elif saved == start and start > 0 and int(runner.step.numpy()) != start:
        # Written by the phase before: its optimiser is not ours.
        Checkpoints(folder, settings.keep_checkpoints, **weights).restore(partial=True)
    return checkpoints


def _run_phase(runner, checkpoints, records, request, tally, evaluate, pictures, finished, watched) -> None:
    """Steps through one phase, from wherever the step counter stands.

    `watched` is (first step, length in steps) of what the progress bar counts: this phase and its likes around it.
    """
    phase, settings = runner.phase, runner.settings
    end = runner.start + phase.steps
    done = int(runner.step.numpy())
    if done >= end:
        return
    if phase.begin:
        phase.begin()
    iterator = runner.iterator(done - runner.start)
    progress = Progress(phase.name, watched[1], done - watched[0], phase.batch_size)
    cadences = [n for n in (settings.log_every, settings.checkpoint_every) if n]
    cadences += [
        n for n, made in ((settings.evaluate_every, evaluate), (settings.picture_every, pictures)) if n and made
    ]
    window, longest = Window(), settings.steps_per_call
    try:
        while done < end and request.number is None:
            count = min([longest, end - done, *(n - done % n for n in cadences)])
            began = time.monotonic()
            values = runner.call(iterator, count)
            seconds = time.monotonic() - began
            longest = min(settings.steps_per_call, max(1, int(_CALL_SECONDS * count / seconds)))
            done += count
            tally.add(count * phase.batch_size, seconds, runner)
            window.add(values, count)
            progress.update(count, values["total"])
            if settings.log_every and (done % settings.log_every == 0 or done == end):
                records.scalars(done, phase.name, {**window.take(), "examples_per_second": tally.rate()})
            if evaluate and settings.evaluate_every and done % settings.evaluate_every == 0:
                with runner.averaged():
                    records.scalars(done, phase.name, evaluate())
            if pictures and settings.picture_every and (done % settings.picture_every == 0 or done == end):
                with runner.averaged():
                    records.pictures(done, phase.name, pictures())
            if settings.checkpoint_every and done % settings.checkpoint_every == 0 and done < end:
                _save(runner, checkpoints, final=False)
        if done == end:
            if phase.finish:
                phase.finish()
            if finished:
                with runner.averaged():
                    records.scalars(done, phase.name, finished())
        _save(runner, checkpoints, final=True)
    finally:
        progress.close()
    if request.number is not None:
        logging.info("stopped by %s at step %d, saved", signal.Signals(request.number).name, done)


def _save(runner, checkpoints, final: bool) -> None:
    """Calibrates and saves; a failed write in mid-run is reported and survived."""
    if runner.phase.calibrate:
        with runner.averaged():
            runner.phase.calibrate()
    try:
        checkpoints.save(int(runner.step.numpy()))
    except StorageError as error:
        if final:
            raise
        logging.error("%s; training goes on", error)
