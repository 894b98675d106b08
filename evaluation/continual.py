"""What a stream of tasks has done to accuracy: the task-by-task matrix and what is read off it.

R[t][i] is the accuracy on task i's test images after learning task t, both counted from 0 here; R[t][i] is None
where it means nothing (a class-incremental network cannot name classes it has not met). T is the last task.

    average accuracy    A  = mean_i R[T][i]
    incremental         AI = mean_t mean_{i<=t} R[t][i]
    forgetting          F  = mean_{i<T} (max_{i<=t<T} R[t][i] - R[T][i])     (Chaudhry et al. 2018)
    backward transfer   BWT = mean_{i<T} (R[T][i] - R[i][i])                 (Lopez-Paz and Ranzato 2017)
    forward transfer    FWT = mean_{i>0} (R[i-1][i] - b[i]), b: accuracies before any training
"""

import dataclasses

import numpy as np
import tensorflow as tf

from .. import pipelines
from . import pictures
from .contract import Picture

DEFINITIONS = {
    "average_accuracy": "mean over tasks of the accuracy after the last task",
    "incremental_accuracy": "mean over time of the mean accuracy on the tasks met so far",
    "forgetting": "mean over all tasks but the last of (best accuracy before the last task minus the final one)",
    "backward_transfer": "mean over all tasks but the last of (final accuracy minus the one just after learning it)",
    "forward_transfer": "mean over all tasks but the first of (accuracy just before learning it minus untrained)",
}


@dataclasses.dataclass
class History:
    """What was measured after each task of a run over a stream.

    Attributes:
      accuracy: R, see above, a row a task learned.
      initial: b, or None where it means nothing.
      captions: name of a picture drawn after a task -> its caption.
      moments: numbers of tasks after which what imagines was kept.
    """

    accuracy: list[list[float | None]] = dataclasses.field(default_factory=list)
    initial: list[float | None] | None = None
    captions: dict[str, str] = dataclasses.field(default_factory=dict)
    moments: list[int] = dataclasses.field(default_factory=list)


def summary(matrix: list, initial: list | None = None) -> dict:
    """The numbers of DEFINITIONS.

    Args:
      matrix: R, one row a task learned, None where not measured. A single row (training on all tasks at once)
        has no forgetting.
      initial: b, or None.

    Returns:
      name -> float; without those that cannot be computed.
    """
    rows = [[np.nan if value is None else float(value) for value in row] for row in matrix]
    values = np.array(rows, np.float64)
    last = values[-1]
    result = {"average_accuracy": float(np.mean(last))}
    if len(values) != values.shape[1] or len(values) < 2:
        return result
    count = len(values)
    result["incremental_accuracy"] = float(np.mean([np.mean(values[t, : t + 1]) for t in range(count)]))
    best = [np.max(values[i : count - 1, i]) for i in range(count - 1)]
    result["forgetting"] = float(np.mean(np.array(best) - last[:-1]))
    result["backward_transfer"] = float(np.mean([last[i] - values[i, i] for i in range(count - 1)]))
    if initial is not None:
        untrained = [np.nan if value is None else value for value in initial]
        before = np.array([values[i - 1, i] - untrained[i] for i in range(1, count)])
        if np.all(np.isfinite(before)):
            result["forward_transfer"] = float(np.mean(before))
    return result


class Accuracies:
    """Measures rows of the matrix; one compiled function for all tasks.

    Arguments:
      model: a Replay model.
      stream: the tasks' test images.
      limit: most images a task, the first ones; 0 is all.
    """

    def __init__(self, model, stream: pipelines.Stream, limit: int = 0):
        self._stream, self._limit = stream, limit
        self._classify = tf.function(
            lambda images, task: model.classify(images, task)["label"], reduce_retracing=True, autograph=False
        )

    def row(self, met: int, future: bool = True) -> list:
        """Accuracies on all tasks, with `met` tasks learned.

        Args:
          met: how many tasks the model has learned.
          future: whether to measure tasks not learned yet, where that means something.
        """
        row = []
        for number, images in enumerate(self._stream.tasks):
            known = number < met
            measured = known or (future and self._stream.settings.scenario != "class")
            row.append(self._accuracy(images, number) if measured else None)
        return row

    def _accuracy(self, images: pipelines.Images, number: int) -> float:
        hits = count = 0
        for batch in pipelines.in_order(images, 1000):
            seen = self._classify(batch["image"], tf.constant(number)).numpy()
            labels = batch["label"].numpy()
            hits, count = hits + int(np.sum(seen == labels)), count + len(labels)
            if self._limit and count >= self._limit:
                break
        return hits / count


def draw(matrix: list, names: list) -> dict[str, Picture]:
    """The matrix and the course of accuracy, as pictures.

    Args:
      matrix: R, see above.
      names: of the tasks.

    Returns:
      name -> picture.
    """
    values = np.array([[np.nan if value is None else value for value in row] for row in matrix], np.float64)
    result = {}
    shown = 100.0 * values
    result["accuracy_matrix"] = Picture(
        pictures.heat_map(shown, [f"after {n}" for n in names[: len(values)]], names, "test accuracy, %"),
        "Rows: after learning a task. Columns: accuracy on each task's test images, per cent.",
    )
    if len(values) > 1:
        steps = np.arange(1, len(values) + 1)
        series = {"mean of tasks met": (steps, [np.mean(row[: t + 1]) for t, row in enumerate(values)])}
        if len(values) <= 10:
            series |= {name: (steps[i:], values[i:, i]) for i, name in enumerate(names[: len(values)])}
        caption = "Each line starts when its task is learned; the first is the mean over the tasks met so far."
        shown = pictures.curves(series, "accuracy after each task", unit="tasks learned")
        result["accuracy_course"] = Picture(shown, caption)
    return result
