"""Neurons at many places against the formulas of their layers, and cones against the whole network."""

import functools
import itertools

import numpy as np
import pytest
import tqdm
from reverie import models, progress
from reverie.evaluation import neurons, sweep

_WINDOWS = {"reconstruction": "window", "decoder": "tied", "contrast_floor": "mean", "components": 7}


def _model(seed=1, prepare=False, **settings):
    base = {"family": "sparse", "image_shape": (26, 26, 1), "stages": 2, "field": 4, "maps": 2, "pool": 3}
    model = models.build({**base, "whitening": "none", **settings}, seed=seed)
    if prepare:
        model.prepare(np.random.default_rng(9).random((40, *model.config.image_shape)).astype(np.float32))
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {"contrast": 3},
        {"contrast": 0},
        {"contrast": 0, "stride": 2, "image_shape": (41, 41, 1)},
        {"contrast": 3, "tile": 3},
        {"contrast": 3, "shards": 3},
        {"contrast": 0, "field": (5, 3), "maps": (3, 2), "stride": (2, 1), "pool": (2, 3), "image_shape": (30, 30, 1)},
        {"contrast": 0, "signed_pooling": True, "maps": (3, 2)},
        {"contrast": 0, "signed_pooling": True, "prepare": True, **_WINDOWS},
        {"contrast": 0, "natural_filters": (True, False), "tile": (3, 0), "prepare": True, **_WINDOWS},
    ],
)
def test_a_cone_answers_as_the_whole_network_where_it_looks(settings):
    model = _model(**settings)
    images = np.random.default_rng(4).random((3, *model.config.image_shape)).astype(np.float32)
    for stages in (1, 2):
        whole = model.outputs(images)[stages - 1].numpy()
        cone = neurons.Cone(model, stages)
        step = model.config.shallow(stages).step
        assert len(cone.positions) > 3
        for row, column in (cone.positions[0], cone.positions[len(cone.positions) // 2], cone.positions[-1]):
            cone.move(row, column)
            top, left = (row - cone.center) * step, (column - cone.center) * step
            seen = images[:, top : top + cone.window, left : left + cone.window]
            assert seen.shape[1:3] == (cone.window, cone.window)
            # Contrast normalization divides by what lies around the window, too: a little of it is missing here.
            atol = 0.15 if model.config.contrast else 2e-4
            np.testing.assert_allclose(cone.responses(seen), whole[:, row, column], atol=atol)


def _plainly(model, cone, images, row, column, stages: int) -> np.ndarray:
    """float64 [n, maps]: what the neurons at a position answer, from the formulas of the layers alone."""
    values = images.astype(np.float64)
    for number, stage in enumerate(model.stages[:stages]):
        config, geometry = stage.config, stage.filters.geometry
        kernel = stage.filters.compact_kernel().astype(np.float64).reshape(*geometry.distinct, -1, config.maps)
        shift = int(np.prod([above.config.stride for above in model.stages[number + 1 : stages]]))
        side = (values.shape[1] - config.field) // config.stride + 1
        simple = np.empty([len(values), side, side, config.maps])
        for y, x in np.ndindex(side, side):
            top, left = y * config.stride, x * config.stride
            window = values[:, top : top + config.field, left : left + config.field].reshape(len(values), -1)
            if config.reconstruction == "window":
                mixing = stage.whitening.kernel.numpy().reshape(window.shape[1], -1)
                window = window @ mixing - stage.whitening.offset.numpy()
                if config.natural_filters:
                    squares = 1.0 / np.square(mixing).sum(axis=0)
                    window = window * squares / squares.mean()
            at_y, at_x = (row - cone.center) * shift + y, (column - cone.center) * shift + x
            simple[:, y, x] = window @ kernel[at_y % kernel.shape[0], at_x % kernel.shape[1]]
        if config.signed_pooling:
            simple = np.concatenate([np.maximum(simple, 0), np.maximum(-simple, 0)], axis=-1)
        side -= config.pool - 1
        pooled = np.empty([len(values), side, side, simple.shape[-1]])
        for y, x in np.ndindex(side, side):
            energy = np.square(simple[:, y : y + config.pool, x : x + config.pool]).sum(axis=(1, 2))
            pooled[:, y, x] = np.sqrt(energy + config.epsilon)
        values = pooled
        if config.contrast:
            values = pooled - _around(pooled, config.contrast)
            deviation = np.sqrt(_around(np.square(values), config.contrast))
            floor = 0.01 if config.contrast_floor == "constant" else deviation.mean(axis=(1, 2, 3), keepdims=True)
            values = values / np.maximum(floor, deviation)
    return values[:, cone.center, cone.center]


def _around(values: np.ndarray, window: int) -> np.ndarray:
    """Gaussian means over all maps and what of the window lies inside: [n, rows, columns, 1]."""
    offsets = np.arange(window) - window // 2
    weights = np.exp(-0.5 * np.square(offsets / (0.25 * window)))
    result, (rows, columns) = np.empty([*values.shape[:3], 1]), values.shape[1:3]
    for y, x in np.ndindex(rows, columns):
        total = share = 0.0
        for (down, a), (across, b) in itertools.product(zip(offsets, weights, strict=True), repeat=2):
            if 0 <= y + down < rows and 0 <= x + across < columns:
                total, share = total + a * b * values[:, y + down, x + across].mean(axis=-1), share + a * b
        result[:, y, x, 0] = total / share
    return result


@pytest.mark.parametrize(
    ("settings", "stages", "every"),
    [
        ({"contrast": 3}, 2, 3),
        ({"contrast": 5, "maps": 3}, 1, 5),
        ({"contrast": 0, "stride": 2, "image_shape": (41, 41, 1)}, 2, 2),
        ({"contrast": 3, "tile": 3, "image_shape": (24, 24, 3)}, 2, 4),
        ({"contrast": 3, "field": (5, 3), "maps": (3, 2), "stride": (2, 1), "image_shape": (38, 38, 1)}, 2, 3),
        ({"contrast": 3, "signed_pooling": True, "natural_filters": True, "prepare": True, **_WINDOWS}, 2, 3),
    ],
)
def test_neurons_at_many_places_answer_what_the_formulas_say(settings, stages, every):
    model = _model(**settings)
    cone = neurons.Cone(model, stages)
    rng, count = np.random.default_rng(6), 197  # Two batches of unequal size.
    images = rng.random((count, cone.window, cone.window, model.config.image_shape[2])).astype(np.float32)
    blocks = list(cone.blocks(images, every))
    top, left = cone.positions[0]
    places = [p for p in cone.positions if (p[0] - top) % every == 0 and (p[1] - left) % every == 0]
    assert [place for place, _ in blocks] == places and 3 < len(places) < len(cone.positions)
    for place, answers in blocks[:: max(1, len(blocks) // 4)]:
        expected = _plainly(model, cone, images, *place, stages)
        assert answers.shape == expected.shape
        # Contrast divides small differences by small deviations.
        np.testing.assert_allclose(answers, expected, atol=2e-3 * np.abs(expected).max())


def test_what_many_places_answer_together_each_answers_alone():
    model = _model(2, True, image_shape=(30, 30, 3), field=5, maps=3, contrast=3, whitening="zca")
    images = np.random.default_rng(7).random((130, 30, 30, 3)).astype(np.float32)
    cone = neurons.Cone(model)
    images = images[:, : cone.window, : cone.window]
    answers = dict(sweep.responses(cone, cone.whitened(images), cone.positions[:20]))
    assert list(answers) == cone.positions[:20]
    for place in cone.positions[:20:4]:
        cone.move(*place)
        np.testing.assert_allclose(answers[place], cone.responses(images), atol=1e-3)
        neuron = cone.neuron((*place, 1))
        np.testing.assert_allclose(neuron.responses(images), answers[place][:, 1], atol=1e-3)
        assert cone.from_index(cone.index((*place, 1))) == (*place, 1)
        assert model.place(cone.index((*place, 1))) == (*place, 1)


@pytest.mark.parametrize("side", [20, 33])
def test_of_shared_filters_one_pass_gives_what_the_network_answers_to_a_window(side):
    settings = {**_WINDOWS, "image_shape": (side, side, 1), "tile": 1, "stride": (2, 1), "maps": (3, 2)}
    model = _model(3, True, contrast=3, signed_pooling=True, **settings)
    images = np.random.default_rng(8).random((5, side, side, 1)).astype(np.float32)
    for stage in (1, 2):
        eye = neurons.look_at(model, stage)
        assert isinstance(eye, neurons.OnePass) and eye.window == model.config.window <= side
        seen = images[:, : eye.window, : eye.window]
        ((block, answers),) = eye.blocks(seen)
        small = models.build({"family": "sparse", **vars(eye.net.config)})
        for mine, theirs in zip(small.weights, eye.net.weights, strict=True):
            mine.assign(theirs)
        whole = small.outputs(seen)[stage - 1].numpy()
        assert whole.shape[1:] == eye.shape and answers.shape == (5, whole[0].size)
        np.testing.assert_allclose(answers.reshape(whole.shape), whole, atol=1e-5)
        if eye.window == side:
            np.testing.assert_allclose(whole, model.outputs(images)[stage - 1].numpy(), atol=1e-4)
        for unit in (0, answers.shape[1] // 2, answers.shape[1] - 1):
            place = eye.place(block, unit)
            np.testing.assert_allclose(eye.neuron(place).responses(seen), answers[:, unit], atol=1e-5)
        (sparse, few) = next(iter(eye.blocks(seen, every=2)))
        place = eye.place(sparse, few.shape[1] - 1)
        np.testing.assert_allclose(eye.neuron(place).responses(seen), few[:, -1], atol=1e-5)


def test_untied_filters_of_a_network_as_large_as_a_window_are_seen_in_one_pass_too():
    model = _model(5, True, contrast=0, image_shape=(11, 11, 1), **_WINDOWS)
    assert model.config.window == 11
    images = np.random.default_rng(11).random((4, 11, 11, 1)).astype(np.float32)
    for stage in (1, 2):
        eye = neurons.look_at(model, stage)
        ((_, answers),) = eye.blocks(images)
        np.testing.assert_allclose(answers, model.outputs(images)[stage - 1].numpy().reshape(4, -1), atol=1e-5)


def test_the_served_neuron_of_shared_filters_answers_as_the_found_one():
    model = _model(4, True, contrast=0, tile=1, image_shape=(31, 31, 1), maps=(3, 2), **_WINDOWS)
    eye = neurons.look_at(model)
    place = (0, 0, 1)
    index = eye.index(place)
    assert eye.from_index(index) == place
    row, column, _ = model.place(index)
    step = model.config.step
    images = np.random.default_rng(10).random((4, 31, 31, 1)).astype(np.float32)
    seen = images[:, row * step : row * step + eye.window, column * step : column * step + eye.window]
    whole = model.encode(images)["features"].numpy()[:, index]
    np.testing.assert_allclose(eye.neuron(place).responses(seen), whole, rtol=1e-4)
    # Likewise below: the same window of the image, a place of its stage.
    lower = neurons.look_at(model, 1)
    index = lower.index((2, 3, 1))
    assert lower.from_index(index) == (2, 3, 1)
    whole = model.outputs(images)[0].numpy().reshape(4, -1)[:, index]
    np.testing.assert_allclose(lower.neuron((2, 3, 1)).responses(seen), whole, rtol=1e-4)


def test_a_search_says_how_far_it_is_and_how_long_it_takes(monkeypatch, capsys):
    cone = neurons.Cone(_model(image_shape=(20, 20, 1), stages=1, contrast=0))
    images = np.random.default_rng(8).random((8, cone.window, cone.window, 1)).astype(np.float32)
    monkeypatch.setattr(progress, "tqdm", functools.partial(tqdm.std.tqdm, mininterval=0.0, miniters=1))
    monkeypatch.setattr(progress, "bar_can_be_shown", lambda: True)
    monkeypatch.setattr(progress, "_BAR_AFTER", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    list(cone.blocks(images, 5, "faces: neuron"))
    said = capsys.readouterr().err
    assert "faces: neuron" in said and "<" in said and "place/s" in said
