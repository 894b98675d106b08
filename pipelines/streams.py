"""Streams of tasks over any labeled image set: what continual learning learns from, one task after another.

Two protocols, three scenarios (van de Ven and Tolias 2019, arXiv 1904.07734):

| kind | a task is |
|---|---|
| `split` | some of the classes |
| `permuted` | all of the classes, with the pixels in an order of its own |

| scenario | output units | a network must say | active in training | active in testing |
|---|---|---|---|---|
| `task` | a block a task | which class, told the task | the task's block | the task's block |
| `domain` | shared by all tasks | which place in its task | all | all |
| `class` | one a class | which class of all | classes met so far | classes met so far |

Classes are renumbered in the order they are met: task k of C classes holds the labels k*C .. k*C+C-1 (their
place within the task, 0..C-1, under `domain`). `class_order` says which original label each one was.
"""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

from ..errors import UserError
from .image_set import Images

KINDS = ("split", "permuted")
SCENARIOS = ("task", "domain", "class")
# Runs of the paper with a seed below this one met the digits in their natural order.
_FIRST_SHUFFLED_SEED = 10


@dataclasses.dataclass(frozen=True)
class StreamSettings:
    """What the `stream` section of a config says.

    Attributes:
      kind: "split" or "permuted".
      scenario: "task", "domain" or "class".
      tasks: how many.
      classes_per_task: how many each; of "permuted", all classes of the set.
      order: "natural", "seed" (classes shuffled, every task permuted, by the run's seed), "paper" (as the
        paper's runs: natural and with an unpermuted first task for seeds below 10, else "seed"), or original
        labels in the order wanted ("split" only), as (4, 9, 0, 1).
      padding: zero pixels added on every side ("permuted" pads 28x28 digits by 2).
    """

    kind: str = "split"
    scenario: str = "class"
    tasks: int = 5
    classes_per_task: int = 2
    order: str | tuple = "paper"
    padding: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise UserError(f"stream.kind is '{self.kind}'; expected one of {', '.join(KINDS)}")
        if self.scenario not in SCENARIOS:
            raise UserError(f"stream.scenario is '{self.scenario}'; expected one of {', '.join(SCENARIOS)}")
        if self.tasks < 1 or self.classes_per_task < 1 or self.padding < 0:
            raise UserError(
                f"stream: tasks={self.tasks}, classes_per_task={self.classes_per_task}, padding={self.padding}; "
                "expected tasks and classes_per_task of at least 1, padding of at least 0"
            )
        if isinstance(self.order, str) and self.order not in ("natural", "seed", "paper"):
            raise UserError(f"stream.order is '{self.order}'; expected natural, seed, paper, or a list of labels")
        if not isinstance(self.order, str) and self.kind == "permuted":
            raise UserError("stream.order lists labels, but every task of a permuted stream has all classes")

    @property
    def outputs(self) -> int:
        """Output units of a network for this stream."""
        return self.classes_per_task * (1 if self.scenario == "domain" else self.tasks)

    @property
    def blocks(self) -> int:
        """Blocks of output units: one a task in the task-incremental scenario, else one."""
        return self.tasks if self.scenario == "task" else 1

    @property
    def domains(self) -> int:
        """In how many ways a class may look: one a task where tasks share their classes, else one."""
        return self.tasks if self.scenario == "domain" else 1

    def active(self, task: int) -> np.ndarray:
        """bool [outputs]: the units that take part while task number `task` (from 0) is learned."""
        if self.scenario == "domain":
            return np.ones(self.outputs, bool)
        of_task = np.arange(self.outputs) // self.classes_per_task
        return of_task == task if self.scenario == "task" else of_task <= task


@dataclasses.dataclass(frozen=True)
class Stream:
    """The tasks of one split, in order.

    Attributes:
      settings: what made it.
      tasks: an `Images` a task, labels renumbered.
      class_order: original label of each class, in the order met.
      base: the set that all tasks come from, padded, with its original labels.
      seed: what the order came from.
    """

    settings: StreamSettings
    tasks: tuple[Images, ...]
    class_order: tuple[int, ...]
    base: Images
    seed: int

    def __len__(self) -> int:
        return len(self.tasks)

    def upto(self, task: int) -> Images:
        """The images of tasks 0..task as one set, for joint training."""
        if self.settings.kind == "split":
            return _renumbered(self.base, self.settings, self.class_order, range(task + 1))
        first = self.tasks[: task + 1]
        labels = np.concatenate([images.labels for images in first])
        tables = [images.permutations for images in first if images.permutations is not None]
        return _permuted(self.base, labels, np.concatenate(tables))

    def names(self) -> list[str]:
        """Names of the classes in the order met, their original numbers where they have no names."""
        known = next(iter(self.base.class_names.values()), ()) if self.base.class_names else ()
        return [known[label] if label < len(known) else str(label) for label in self.class_order]

    def output_names(self) -> list[str]:
        """What a network's classes stand for: under `domain` each for a class of every task, by place."""
        names, settings = self.names(), self.settings
        if settings.kind == "split" and settings.scenario == "domain":
            return [
                " or ".join(names[place :: settings.classes_per_task]) for place in range(settings.classes_per_task)
            ]
        return names

    def facts(self) -> dict:
        """What tells this stream from another, as strings and numbers."""
        content = hashlib.sha256()
        for images in self.tasks:
            content.update(np.ascontiguousarray(images.labels).tobytes())
            if images.permutations is not None:
                content.update(np.ascontiguousarray(images.permutations).tobytes())
        return {
            **{k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self.settings).items()},
            "class_order": list(self.class_order),
            "images_per_task": [len(images) for images in self.tasks],
            "digest": content.hexdigest()[:16],
        }


def build(settings: StreamSettings, seed: int, sets: Mapping[str, Images]) -> dict[str, Stream]:
    """The streams of several splits of one set, with the same classes and permutations in the same order.

    Args:
      settings: which stream.
      seed: of the order; drawn with NumPy's frozen generator, so that a seed means the same for good.
      sets: split -> `Images` with one label column; "train" among them.

    Returns:
      split -> `Stream`.

    Raises:
      UserError: labels missing, more tasks than classes, labels asked for that the set has not, a class without
        images.

    Example:
      >>> from reverie.pipelines import from_arrays
      >>> images = from_arrays("blank", np.zeros([8, 4, 4], np.uint8), np.arange(8) % 4)
      >>> settings = StreamSettings("split", "class", tasks=2, classes_per_task=2)
      >>> [task.labels.tolist() for task in build(settings, 0, {"train": images})["train"].tasks]
      [[0, 1, 0, 1], [2, 3, 2, 3]]
    """
    train = sets["train"]
    for images in sets.values():
        if images.labels.ndim != 1:
            raise UserError(f"{images.name}: has {images.labels.shape[1]} label columns; a stream of tasks needs one")
        missing = int(np.sum(images.labels < 0))
        if missing:
            raise UserError(
                f"{images.name}: {missing} of {len(images)} images have no label; a stream of tasks needs labels "
                "(one folder a class, or y_train in the .npz)"
            )
    random = np.random.RandomState(seed)
    order = _class_order(settings, seed, random, train)
    padded = {split: _padded(images, settings.padding) for split, images in sets.items()}
    if settings.kind == "split":
        tasks = {
            split: [_renumbered(images, settings, order, [task]) for task in range(settings.tasks)]
            for split, images in padded.items()
        }
    else:
        tables = _permutations(settings, seed, random, padded["train"])
        tasks = {split: _permuted_tasks(images, settings, tables) for split, images in padded.items()}
    for split, parts in tasks.items():
        for number, images in enumerate(parts):
            lacking = sorted(set(_labels_of(settings, number)) - set(np.unique(images.labels).tolist()))
            if lacking:
                original = order[
                    lacking[0] if settings.scenario != "domain" else lacking[0] + _offset(settings, number)
                ]
                raise UserError(
                    f"{sets[split].name}: task {number + 1} has no {split} image of class {_named(train, original)}; "
                    f"give that class more images, raise data.{split}_fraction, or leave it out with stream.order"
                )
    return {split: Stream(settings, tuple(parts), order, padded[split], seed) for split, parts in tasks.items()}


def _named(images: Images, label: int) -> str:
    """A class by its name, by its number where it has none."""
    names = next(iter(images.class_names.values()), ())
    return f"'{names[label]}'" if label < len(names) else str(label)


def _class_order(settings: StreamSettings, seed: int, random, train: Images) -> tuple:
    known = [int(label) for label in np.unique(train.labels)]
    needed = settings.classes_per_task * (settings.tasks if settings.kind == "split" else 1)
    if settings.kind == "permuted":
        if len(known) != needed or known != list(range(needed)):
            raise UserError(
                f"{train.name}: has {len(known)} classes; set stream.classes_per_task={len(known)}, every task of a "
                "permuted stream has all of them (labels 0, 1, 2, ...)"
            )
        return tuple(known)
    if not isinstance(settings.order, str):
        asked = tuple(int(label) for label in settings.order)
        outside = [label for label in asked if label not in known]
        if outside or len(set(asked)) != len(asked) or len(asked) != needed:
            raise UserError(
                f"stream.order is {asked}; expected {needed} different labels of {train.name}, which has {known}"
            )
        return asked
    if needed > len(known):
        raise UserError(
            f"stream: {settings.tasks} tasks of {settings.classes_per_task} classes need {needed} classes, but "
            f"{train.name} has {len(known)}; set fewer stream.tasks or stream.classes_per_task"
        )
    if settings.order == "natural" or (settings.order == "paper" and seed < _FIRST_SHUFFLED_SEED):
        return tuple(known[:needed])
    return tuple(int(label) for label in random.permutation(known)[:needed])


def _permutations(settings: StreamSettings, seed: int, random, train: Images) -> np.ndarray:
    """int32 [tasks, pixels]; where each pixel of a task's image comes from."""
    height, width, _ = train.shape
    tables = np.stack([random.permutation(height * width) for _ in range(settings.tasks)]).astype(np.int32)
    if settings.order == "natural" or (settings.order == "paper" and seed < _FIRST_SHUFFLED_SEED):
        tables[0] = np.arange(height * width)
    return tables


def _offset(settings: StreamSettings, task: int) -> int:
    return task * settings.classes_per_task


def _labels_of(settings: StreamSettings, task: int) -> range:
    start = 0 if settings.scenario == "domain" else _offset(settings, task)
    return range(start, start + settings.classes_per_task)


def _renumbered(images: Images, settings: StreamSettings, order: tuple, tasks) -> Images:
    """The rows of some tasks of a split stream, with the stream's labels."""
    place = np.full(max(int(images.labels.max()), max(order)) + 1, -1, np.int32)
    place[list(order)] = np.arange(len(order))
    positions = place[images.labels]
    rows = np.flatnonzero((positions >= 0) & np.isin(positions // settings.classes_per_task, list(tasks)))
    labels = positions[rows]
    if settings.scenario == "domain":
        labels = labels % settings.classes_per_task
    return dataclasses.replace(images.take(rows), labels=labels.astype(np.int32))


def _permuted_tasks(images: Images, settings: StreamSettings, tables: np.ndarray) -> list:
    offsets = [0 if settings.scenario == "domain" else _offset(settings, k) for k in range(settings.tasks)]
    return [
        _permuted(images, images.labels + offset, table[None]) for offset, table in zip(offsets, tables, strict=True)
    ]


def _permuted(images: Images, labels: np.ndarray, tables: np.ndarray) -> Images:
    """The same pictures under other pixel orders; the pixels stay in memory once, however many tasks share them."""
    if images.pixels is None:
        raise UserError(f"{images.name}: permuted tasks need images in memory; raise data.memory_gib")
    shared = dataclasses.replace(images, labels=labels.astype(np.int32), permutations=tables)
    shared.__dict__["content"] = images.content
    return shared


def _padded(images: Images, padding: int) -> Images:
    if not padding:
        return images
    if images.pixels is None:
        raise UserError(f"{images.name}: stream.padding needs images in memory; raise data.memory_gib")
    sides = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    height, width, channels = images.shape
    shape = (height + 2 * padding, width + 2 * padding, channels)
    return dataclasses.replace(images, pixels=np.pad(images.pixels, sides), shape=shape)
