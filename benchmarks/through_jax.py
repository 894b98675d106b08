"""Runs the `reverie` command with its own steps of training under JAX, where TensorFlow's build has no use for the GPU.

    pip install tensorflow-cpu==2.21.0 "jax[cuda13]==0.11.2"
    python benchmarks/through_jax.py train --config=replay_split_cifar100:bir,class --config.data.source=cifar100.npz \
        --config.continual.pretrained=runs/features --config.train.steps_per_call=5000 --config.train.log_every=5000 \
        --workdir=runs/bir

What `training.steps` makes of a phase (gradients, noise, schedule, update, what methods observe) is traced by
TensorFlow as one function of all its variables, lowered by TensorFlow's XLA, and called by JAX in a loop on the device.
Data, hooks between tasks, evaluation and checkpoints stay where they are, on the processor. A call's weights are
brought back when it ends, so calls should be long: `train.steps_per_call`, `train.log_every` and the steps of every
phase have to be multiples of STACK, the batches that are brought to the device together (100, or of the variable
STACK).

What differs from `reverie train`: one device; no averaged weights and no steps in parts; an update that is not finite
is reported when its call ends, and then the weights are gone, so go on from the last checkpoint. Matrix products round
as TensorFlow allows (TF32 on such devices) unless TF32=0. JAX has no public way to call a module that another program
has lowered: what is used here of its inside was tried with the versions above.
"""

import gc
import os
import queue
import re
import sys
import threading
import time

import jax
import numpy as np
import reverie  # noqa: F401  First: it says how TensorFlow takes memory.
import tensorflow as tf
from jax._src import core
from jax._src.interpreters import mlir
from jax._src.lib import _jax
from jax._src.lib.mlir import ir
from jax._src.lib.mlir.dialects import func
from jax.extend.core import Primitive
from reverie import cli
from reverie.errors import NonFiniteError
from reverie.training import loop, steps

STACK = int(os.environ.get("STACK", "100"))

# ---- one lowered function as an operation of JAX's

_lowered = Primitive("lowered_by_tensorflow")
_lowered.multiple_results = True


@_lowered.def_abstract_eval
def _(*arguments, module, results):
    del arguments, module
    return [core.ShapedArray(shape, dtype) for shape, dtype in results]


def _emit(context, *arguments, module, results):
    inner = ir.Module.parse(module)
    types = ir.SymbolTable(inner.operation)["main"].type.results
    table = context.module_context.symbol_table
    name = mlir.merge_mlir_modules(context.module_context.module, "step", inner, dst_symtab=table)
    # TensorFlow returns every variable once more, behind what the function returns.
    return list(func.CallOp(types, ir.FlatSymbolRefAttr.get(name), list(arguments)).results)[: len(results)]


for _platform in ("cpu", "cuda"):
    mlir.register_lowering(_lowered, _emit, platform=_platform)


def lowered(function: tf.types.experimental.GenericFunction, specs: list) -> str:
    """StableHLO of a function; its parameters are those of `specs` and then whatever the function captures."""
    hlo = function.experimental_get_compiler_ir(*specs)(stage="hlo_serialized", platform_name="CPU")
    with mlir.make_ir_context():
        text = str(ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo)))
    # Copies, which XLA for GPUs does not take from outside; a reshape to the same shape is as good.
    return re.sub(r"mhlo\.copy (%[\w#]+) : (tensor<[^>]*>)", r"stablehlo.reshape \1 : (\2) -> \2", text)


# ---- the steps of a phase


class Compiled:
    """A phase's step on the device.

    Arguments:
      runner: of the phase.
      element: {name: `tf.TensorSpec`} of a batch.
    """

    def __init__(self, runner: steps.Runner, element: dict):
        self._runner, self.names = runner, sorted(element)
        of_batch = [element[name] for name in self.names]
        probe = tf.function(self._step, autograph=False).get_concrete_function(*of_batch)
        self.variables = _captured(probe)
        specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in self.variables] + of_batch
        pure = tf.function(self._of_all, autograph=False, jit_compile=True)
        made = pure.get_concrete_function(*specs)
        module, count = lowered(pure, specs), len(self.variables)
        handles = {id(variable.handle): number for number, variable in enumerate(self.variables)}
        rest = [handles[id(c)] if c.dtype == tf.resource else c.numpy() for c in made.captured_inputs]
        results = tuple(
            (tuple(shape), np.dtype(dtype.as_numpy_dtype))
            for shape, dtype in zip(made.output_shapes, made.output_dtypes, strict=True)
        )

        def one(values, batch):
            captured = [values[c] if isinstance(c, int) else jax.numpy.asarray(c) for c in rest]
            found = _lowered.bind(*values, *batch, *captured, module=module, results=results)
            return tuple(found[:count]), tuple(found[count:])

        def many(values, stacked):
            values, (losses, finite) = jax.lax.scan(one, values, stacked)
            return values, losses.sum(0), finite.all()

        self._many = jax.jit(many, donate_argnums=0)

    def _replica(self, batch):
        runner, step = self._runner, tf.identity(self._runner.step)
        losses, gradients = runner._gradients(batch, step, 0)
        finite = tf.reduce_all(tf.math.is_finite(losses))
        # Not as the loop asks, by a sum first and a condition: a device would stop at that to ask the processor.
        for gradient in gradients:
            finite &= tf.reduce_all(tf.math.is_finite(gradient))
        runner._apply(gradients, runner.rate(step - runner._zero), step)
        return losses, finite

    @tf.autograph.experimental.do_not_convert
    def _step(self, *batch):
        strategy = self._runner.context.strategy
        found = strategy.run(self._replica, args=(dict(zip(self.names, batch, strict=True)),))
        losses, finite = (strategy.experimental_local_results(part)[0] for part in found)
        self._runner.step.assign_add(1)
        return losses, finite

    def _of_all(self, *values_and_batch):
        """The step as a function of all variables: (their values afterwards..., losses, whether all was finite)."""
        count = len(self.variables)
        for variable, value in zip(self.variables, values_and_batch[:count], strict=True):
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
        found = self._step(*values_and_batch[count:])
        after = [tf.raw_ops.ReadVariableOp(resource=v.handle, dtype=v.dtype) for v in self.variables]
        return (*after, *found)

    def run(self, batches: "Batches", count: int) -> np.ndarray:
        """Means of the losses over `count` steps."""
        began = time.monotonic()
        values = tuple(jax.device_put(variable.numpy()) for variable in self.variables)
        sums, finite = 0.0, True
        for _ in range(count // STACK):
            stacked = batches.next()
            values, more, good = self._many(values, tuple(stacked[name] for name in self.names))
            sums, finite = sums + more, good & finite
        for variable, value in zip(self.variables, jax.block_until_ready(values), strict=True):
            variable.assign(np.asarray(value))
        print(f"{count} steps, {1e3 * (time.monotonic() - began) / count:.2f} ms each", file=sys.stderr)
        if not bool(finite):
            raise NonFiniteError(f"a loss or gradient of the {count} steps before step "
                                 f"{int(self._runner.step.numpy()) + 1} is not finite")  # fmt: skip
        return np.asarray(sums) / count


def _captured(function: tf.types.experimental.ConcreteFunction) -> list[tf.Variable]:
    """The variables that a function reads or writes, whoever holds them."""
    known = {id(each.handle): each for each in gc.get_objects() if isinstance(each, tf.Variable)}
    captured = {id(each): each for each in function.captured_inputs if each.dtype == tf.resource}
    return [known[place] for place in captured]


class Batches:
    """A stream's batches in stacks, read ahead by a thread, until `close`."""

    def __init__(self, stream: tf.data.Dataset):
        self.element, self._stacks, self._closed = stream.element_spec, queue.Queue(maxsize=2), False
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for stack in stream.batch(STACK, drop_remainder=True).prefetch(1).as_numpy_iterator():
            while not self._closed:
                try:
                    self._stacks.put(stack, timeout=1.0)
                    break
                except queue.Full:
                    continue
            if self._closed:
                return

    def next(self) -> dict:
        """{name: [STACK, batch, ...]}."""
        return self._stacks.get()

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True


# ---- in the place of the loop's own

_iterator, _call = steps.Runner.iterator, steps.Runner.call
_open: list[Batches] = []


def _batches(runner: steps.Runner, first: int):
    while _open:
        _open.pop().close()
    if runner.phase.take_in is not None or runner.phase.parts is not None:
        return _iterator(runner, first)  # Without gradients, or in parts: as ever.
    _open.append(Batches(runner.phase.stream(first, None)))
    return _open[-1]


def _on_device(runner: steps.Runner, batches, count: int) -> dict:
    if not isinstance(batches, Batches):
        return _call(runner, batches, count)
    if count % STACK:
        sys.exit(f"a call of {count} steps is no multiple of STACK, {STACK}; set train.steps_per_call and log_every")
    if runner._graph_step is not getattr(runner, "compiled_for", None):
        runner.compiled, runner.compiled_for = Compiled(runner, batches.element), runner._graph_step
    return dict(zip(runner.names, runner.compiled.run(batches, count), strict=True))


def main() -> int:
    jax.config.update("jax_enable_x64", True)
    tf.config.experimental.enable_tensor_float_32_execution(os.environ.get("TF32") != "0")
    steps.Runner.iterator, steps.Runner.call = _batches, _on_device
    loop._CALL_SECONDS = 1e9
    print(*jax.devices(), f"JAX {jax.__version__}", sep=", ", file=sys.stderr)
    return cli.main(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
