"""The diagonal of the Fisher information of a classifier, exact over labels and vectorized over images.

    F_i = 1/N sum_n sum_c p(c | x_n) (d log p(c | x_n) / dw_i)^2

For a dense layer with input a and gradient d at its pre-activation, the squared gradient of one image is the
outer product of a^2 and d^2. Summed over images that is one matrix product, so no image's gradient is ever
formed: all images of a chunk go through together, once for each class.
"""

import numpy as np
import tensorflow as tf

from .model import ContinualModel


def dense_fisher(
    model: ContinualModel, inputs: np.ndarray, active: np.ndarray, task: int | None = None, chunk: int = 250
) -> list[np.ndarray]:
    """Fisher information of trunk and classifier, where all of what classifies is dense.

    Args:
      model: a network whose `classifying_variables` are kernels and biases of dense layers.
      inputs: float32 [n, units], from `represent`.
      active: bool [classes] that take part.
      task: the task's number, for XdG; or None.
      chunk: images a pass.

    Returns:
      float64 arrays, in the order and shapes of `classifying_variables`.
    """
    classes = np.flatnonzero(active)
    totals = [np.zeros(v.shape, np.float64) for v in model.classifying_variables]
    mask = tf.constant(active, tf.float32)
    step = tf.function(
        lambda rows, label: _chunk(model, rows, label, mask, task), reduce_retracing=True, autograph=False
    )
    for start in range(0, len(inputs), chunk):
        rows = tf.convert_to_tensor(inputs[start : start + chunk])
        for label in classes:
            for total, part in zip(totals, step(rows, tf.constant(int(label))), strict=True):
                total += part.numpy()
    return [total / len(inputs) for total in totals]


def _chunk(
    model: ContinualModel, rows: tf.Tensor, label: tf.Tensor, active: tf.Tensor, task: int | None
) -> list[tf.Tensor]:
    """Sum over rows of p(label | x) times the squared gradient of log p(label | x)."""
    tasks = None if task is None else tf.fill([tf.shape(rows)[0]], task)
    with tf.GradientTape() as tape:
        hidden, records = model.activations(rows, tasks)
        product = tf.matmul(hidden, model.classifier.kernel)
        logits = product + model.classifier.bias
        # One softmax over the active units, whatever block they are of.
        masked = tf.where(active > 0.0, logits, -1e9)
        log_probability = tf.nn.log_softmax(masked)[:, label]
    records = [*records, (hidden, product, logits)]
    slopes = tape.gradient(log_probability, [part for record in records for part in record[1:]])
    weight = tf.exp(log_probability)[:, None]
    sums = []
    for (inputs, _, _), at_product, at_sum in zip(records, slopes[::2], slopes[1::2], strict=True):
        sums.append(tf.matmul(tf.square(inputs), weight * tf.square(at_product), transpose_a=True))
        sums.append(tf.reduce_sum(weight * tf.square(at_sum), axis=0))
    return sums


def general_fisher(
    model: ContinualModel, inputs: np.ndarray, active: np.ndarray, task: int | None = None, chunk: int = 10
) -> list[np.ndarray]:
    """The same for any network: per-image gradients of a chunk at once, by vectorized Jacobians.

    Memory is chunk * weights * 4 bytes, so this serves convolutional stacks that train, not wide dense layers.
    """
    classes = np.flatnonzero(active)
    variables = [variable.value for variable in model.classifying_variables]
    totals = [np.zeros(v.shape, np.float64) for v in variables]
    mask = tf.constant(active, tf.float32)

    @tf.function(reduce_retracing=True, autograph=False)
    def chunk_sums(rows, label):
        tasks = None if task is None else tf.fill([tf.shape(rows)[0]], task)
        with tf.GradientTape() as tape:
            hidden, _ = model.activations(rows, tasks)
            log_probability = tf.nn.log_softmax(tf.where(mask > 0.0, model.logits(hidden), -1e9))[:, label]
        weight = tf.exp(log_probability)
        return [tf.tensordot(weight, tf.square(j), 1) for j in tape.jacobian(log_probability, variables)]

    for start in range(0, len(inputs), chunk):
        rows = tf.convert_to_tensor(inputs[start : start + chunk])
        for label in classes:
            for total, part in zip(totals, chunk_sums(rows, tf.constant(int(label))), strict=True):
                total += part.numpy()
    return [total / len(inputs) for total in totals]
