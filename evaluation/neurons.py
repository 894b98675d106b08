"""Neurons as the search for a concept sees them: at which place, looking through which window, answering what.

Untied filters are different at every place: an image says something about a neuron only where that neuron looks. So
test images are brought to the window of a neuron and shown to its cone, the part of the network below it, which is
moved about (`Cone`). Where all filters are shared (tile 1) a place is like any other, and where a neuron of the last
stage sees the whole image there is one place only: test images are brought to the window of a neuron of the last
stage, and one pass gives what all neurons of all stages answer that look into it (`OnePass`).
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from .. import models, progress
from ..errors import UserError
from ..models.sparse_stage import WindowStage
from . import sweep

_PLACES = 75  # About how many positions are looked at, unless it is said how many.
_BATCH = 250
# Numbers of answers held at a time; of more, every second position and so on.
_MOST = 2**28


@dataclasses.dataclass(frozen=True)
class Neuron:
    """One neuron, in a network as large as its window.

    Attributes:
      net: a `models.sparse.Sparse` on images of that size.
      stage: that it belongs to, from 1.
      row, column, map: where it is in the stage's output.
      beside: images to what all maps at its place answer, float32 [n, maps], where that is faster than the network.
    """

    net: models.Sparse
    stage: int
    row: int
    column: int
    map: int
    beside: Callable | None = dataclasses.field(default=None, repr=False)

    @property
    def image_shape(self) -> tuple:
        """(window, window, channels)."""
        return tuple(self.net.config.image_shape)

    def responses(self, images) -> np.ndarray:
        """float32 [n], for float32 [n, window, window, channels] in [0, 1]."""
        return self.beside(images)[:, self.map] if self.beside else _in_batches(self._call, images)

    def of_whitened(self, values):
        """Likewise for images that are whitened already; differentiable."""
        return self.net.through(values, self.stage)[:, self.row, self.column, self.map]

    @functools.cached_property
    def _call(self):
        return _compiled(lambda images: self.of_whitened(self.net.whitening(images)), self.image_shape)


class OnePass:
    """Neurons of a stage, in a network as large as the window of a neuron of its last stage.

    Arguments:
      model: a `models.sparse.Sparse` with tile 1, or one of that size.
      stage: of the neurons looked at, from 1; the last by default.

    Attributes:
      window: side of the images wanted: that of a neuron of the last stage.
    """

    def __init__(self, model, stage: int | None = None):
        self.model, self.stage = model, stage or model.config.stages
        self.window = model.config.window
        self.net = model
        if not _is_window(model):
            self.net = _network(model, model.config.stages, self.window, tile=1)
            for mine, theirs in zip(self.net.stages, model.stages, strict=True):
                mine.filters.set_compact_kernel(theirs.filters.compact_kernel())
        self._call = _compiled(self._answers, self.net.config.image_shape)

    @property
    def shape(self) -> tuple:
        """(rows, columns, maps) of the stage, for one window."""
        return output_shapes(self.net)[self.stage - 1]

    def blocks(self, images, every: int = 0, title: str = "neurons") -> Iterator[tuple]:
        """What all neurons answer.

        Args:
          images: float32 [n, window, window, channels] in [0, 1].
          every: looks at every N-th row and column of positions only; 0 is all of them.
          title: of the progress bar.

        Returns:
          ((row, column) of the first neuron, float32 [n, neurons]), once; see `place`.
        """
        answers = _in_batches(self._call, images, title)
        step = every or 1
        while not every and answers[:, ::step, ::step].size > _MOST:
            step += 1
        yield step, answers[:, ::step, ::step].reshape(len(answers), -1)

    def place(self, block, unit: int) -> tuple:
        """(row, column, map) of a neuron of a block."""
        rows, columns, maps = self.shape
        shape = (-(-rows // block), -(-columns // block), maps)
        row, column, number = (int(part) for part in np.unravel_index(unit, shape))
        return row * block, column * block, number

    def index(self, place: tuple) -> int:
        """The number of a neuron among those of the whole network's stage: of all that are alike, the one whose window
        is in the image's middle."""
        whole = output_shapes(self.model)[self.stage - 1]
        row, column = (part + shift for part, shift in zip(place, self._shifts, strict=False))
        return int(np.ravel_multi_index((row, column, place[2]), whole))

    def from_index(self, index: int) -> tuple:
        """The inverse of `index`."""
        row, column, number = np.unravel_index(index, output_shapes(self.model)[self.stage - 1])
        return int(row) - self._shifts[0], int(column) - self._shifts[1], int(number)

    @property
    def _shifts(self) -> tuple:
        """Rows and columns of the stage above and left of a window in the image's middle."""
        whole, own = (output_shapes(net)[-1] for net in (self.model, self.net))
        step = int(np.prod([stage.config.stride for stage in self.model.stages[self.stage :]]))
        return tuple((whole[axis] - own[axis]) // 2 * step for axis in (0, 1))

    def neuron(self, place: tuple) -> Neuron:
        """The neuron at (row, column, map)."""
        return Neuron(self.net, self.stage, *place)

    def _answers(self, images):
        return tf.cast(self.net.through(self.net.whitening(images), self.stage), tf.float32)


class Look:
    """How a stage's simple cells look at its input, as local filters of the input's own numbers.

    Arguments:
      stage: of a `models.sparse.Sparse`.

    Attributes:
      kernel: (height, width) of the field.
      strides: (rows, columns).
      channels: of the input.
      filters: float32 [rows, columns, field (row, column, channel), maps], at all positions that have filters of
        their own.
      biases: float32 [rows, columns, maps], added to what the filters answer, or None.
    """

    def __init__(self, stage):
        config, geometry = stage.config, stage.filters.geometry
        self.kernel, self.strides = (config.field,) * 2, (config.stride,) * 2
        compact = stage.filters.compact_kernel()
        if isinstance(stage, WindowStage):
            offset = stage.whitening.offset[None]
            if config.natural_filters:
                offset = stage.whitening.natural(offset)
            self.channels = stage.whitening.kernel.shape[2]
            # Filters of components as filters of the input, all positions at once.
            mixed = stage.whitening.window_filters(
                compact.transpose(1, 0, 2).reshape(compact.shape[1], -1), natural=config.natural_filters
            )
            mixed = mixed.reshape(-1, compact.shape[0], compact.shape[2]).transpose(1, 0, 2)
            self.filters = mixed.reshape(*geometry.distinct, -1, config.maps)
            biases = -np.asarray(offset, np.float32) @ compact
            self.biases = biases.reshape(*geometry.distinct, config.maps)
        else:
            self.channels, self.biases = geometry.image[2], None
            self.filters = compact.reshape(*geometry.distinct, geometry.field, config.maps)


class Cone:
    """The part of a network below one position, as a small network of its own that is moved about.

    Arguments:
      model: a `models.sparse.Sparse`.
      stage: of the neurons looked at, from 1; the last by default.

    Attributes:
      window: side of the images wanted: that of the neurons.
      positions: (row, column) of the neurons whose whole window lies in the image.
    """

    def __init__(self, model, stage: int | None = None):
        self.model, self.stage = model, stage or model.config.stages
        config = model.config.shallow(self.stage)
        self.window = config.window
        self.net = _network(model, self.stage, self.window, tile=0)
        lower = model.stages[: self.stage]
        self.looks = [Look(one) for one in lower]
        self._kernels = [
            one.filters.compact_kernel().reshape(*one.filters.geometry.distinct, -1, one.config.maps) for one in lower
        ]
        strides = [one.config.stride for one in lower]
        self._strides = [int(np.prod(strides[number + 1 :])) for number in range(self.stage)]
        whole, own = output_shapes(model)[self.stage - 1], self.net.output_shape_
        self.center, top = own[0] // 2, own[0]
        self.positions = [
            (row + self.center, column + self.center)
            for row in range(whole[0] - top + 1)
            for column in range(whole[1] - top + 1)
        ]
        self._call = _compiled(self._center_responses, self.net.config.image_shape)

    def move(self, row: int, column: int) -> None:
        """Takes the filters that the neurons at a position look through."""
        for number, stage in enumerate(self.net.stages):
            part = self.cut(self._kernels[number], number, row, column)
            stage.filters.set_compact_kernel(part.reshape(-1, *part.shape[2:]))

    def cut(self, values: np.ndarray, number: int, row: int, column: int) -> np.ndarray:
        """Of [rows, columns, ...] at the positions of a stage (from 0) those below a position of the neurons."""
        stride, sides = self._strides[number], self.net.stages[number].filters.geometry.positions
        rows = ((row - self.center) * stride + np.arange(sides[0])) % values.shape[0]
        columns = ((column - self.center) * stride + np.arange(sides[1])) % values.shape[1]
        return values[rows[:, None], columns[None, :]]

    def filters(self, number: int, row: int, column: int) -> np.ndarray:
        """Those of a stage (from 0) below a position: float32 [rows, columns, field (row, column, channel), maps]."""
        return self.cut(self.looks[number].filters, number, row, column)

    def biases(self, number: int, row: int, column: int) -> np.ndarray | None:
        """What is added to their answers: float32 [rows, columns, maps]."""
        biases = self.looks[number].biases
        return None if biases is None else self.cut(biases, number, row, column)

    def whitened(self, images) -> np.ndarray:
        """float32 like images, [n, window, window, channels] in [0, 1]."""
        return _in_batches(self.net.whitening, images)

    def responses(self, images) -> np.ndarray:
        """float32 [n, maps] of the neurons at the position, for float32 [n, window, window, channels] in [0, 1]."""
        return _in_batches(self._call, images)

    def blocks(self, images, every: int = 0, title: str = "neurons") -> Iterator[tuple]:
        """What the neurons at many positions answer.

        Args:
          images: float32 [n, window, window, channels] in [0, 1].
          every: looks at every N-th row and column of positions only; 0 is about 75 positions.
          title: of the progress bar.

        Returns:
          ((row, column), float32 [n, maps]) of every position.

        Raises:
          UserError: no neuron whose whole window lies in the image.
        """
        if not self.positions:
            raise UserError(f"no neuron sees {self.window} pixels of the image; concepts need a larger image_shape")
        step = every or max(1, round((len(self.positions) / _PLACES) ** 0.5))
        top, left = self.positions[0]
        places = [place for place in self.positions if not ((place[0] - top) % step or (place[1] - left) % step)]
        found = sweep.responses(self, self.whitened(images), places)
        yield from progress.shown(found, title, len(places), unit="place")

    def place(self, block, unit: int) -> tuple:
        """(row, column, map) of a neuron of a block."""
        return (*block, unit)

    def index(self, place: tuple) -> int:
        """The number of a neuron of the last stage among those of the whole network."""
        _, columns, maps = output_shapes(self.model)[self.stage - 1]
        return (place[0] * columns + place[1]) * maps + place[2]

    def from_index(self, index: int) -> tuple:
        """The inverse of `index`."""
        return tuple(int(part) for part in np.unravel_index(index, output_shapes(self.model)[self.stage - 1]))

    def neuron(self, place: tuple) -> Neuron:
        """The neuron at (row, column, map), as long as the cone is not moved."""
        self.move(*place[:2])
        beside = functools.partial(self._answers, place[:2])
        return Neuron(self.net, self.stage, self.center, self.center, place[2], beside)

    def _answers(self, position: tuple, images) -> np.ndarray:
        ((_, found),) = sweep.responses(self, self.whitened(images), [position])
        return found

    def _center_responses(self, images):
        return self.net.outputs(images)[-1][:, self.center, self.center]


def look_at(model, stage: int | None = None) -> OnePass | Cone:
    """The neurons of a stage, from 1; by default of the last."""
    shared = all(one.config.tile == 1 for one in model.stages)
    return (OnePass if shared or _is_window(model) else Cone)(model, stage)


def _is_window(model) -> bool:
    """Whether a neuron of the last stage sees the whole image."""
    return tuple(model.config.image_shape[:2]) == (model.config.window,) * 2


def _network(model, stages: int, side: int, tile: int) -> models.Sparse:
    """The first stages on images of another size, with the model's whitenings and filters still to be set."""
    config = dataclasses.replace(
        model.config.shallow(stages),
        tile=tile,
        block=0,
        shards=1,
        decoder="tied",
        unit_norm=False,
        memory_saving=False,
        image_shape=(side, side, model.config.image_shape[2]),
    )
    net = models.Sparse(config)
    pairs = [(net.whitening, model.whitening), *zip(net.stages, model.stages, strict=False)]
    for mine, theirs in pairs:
        for own, given in zip(mine.non_trainable_weights, theirs.non_trainable_weights, strict=True):
            own.assign(given)
    return net


def output_shapes(model) -> list[tuple]:
    """(rows, columns, maps) of every stage."""
    shape, shapes = (None, *model.config.image_shape), []
    for stage in model.stages:
        shape = stage.compute_output_shape(shape)[2]
        shapes.append(tuple(shape[1:]))
    return shapes


def _compiled(function, image_shape: tuple):
    """As one graph for any number of images."""
    return tf.function(function, autograph=False, input_signature=[tf.TensorSpec([None, *image_shape], tf.float32)])


def _in_batches(function, images: Sequence, title: str = "") -> np.ndarray:
    starts = range(0, len(images), _BATCH)
    told = progress.shown(starts, title, unit="batch") if title else starts
    return np.concatenate([np.asarray(function(tf.constant(images[k : k + _BATCH], tf.float32))) for k in told])
