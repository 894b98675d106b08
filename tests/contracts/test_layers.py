"""The contract of layers, over every layer of the package; and what registering one takes."""

import importlib
import inspect
import pkgutil

import keras
import pytest
import reverie.layers
from reverie.errors import UserError
from reverie.layers import LAYERS, CallInput, register_layer

from tests.contracts import layer_checks

# Bases of layers, with nothing to call.
BASES = {"LocalFilters", "_NormalizedConvolutions"}


@pytest.fixture(params=sorted(LAYERS))
def record(request):
    return LAYERS[request.param]


@pytest.mark.contract("layers", "get_config round trip")
def test_a_layer_comes_back_from_its_config_with_the_same_numbers(record):
    layer_checks.check_config(record)


@pytest.mark.contract("layers", "`.keras` file")
def test_a_keras_file_brings_the_layer_back_with_the_same_numbers(record, tmp_path):
    layer_checks.check_keras_file(record, tmp_path)


@pytest.mark.contract("layers", "float32, mixed_bfloat16")
def test_outputs_have_the_dtype_of_the_policy_and_stay_near_float32(record):
    layer_checks.check_dtype_policies(record)


@pytest.mark.contract("layers", "unknown batch")
def test_the_size_of_the_batch_may_be_unknown(record):
    layer_checks.check_unknown_batch(record)


@pytest.mark.contract("layers", "output shape")
def test_the_output_shape_that_is_said_is_the_one_that_comes_out(record):
    layer_checks.check_output_shape(record)


def test_every_layer_of_the_package_is_registered():
    found = set()
    for module in pkgutil.iter_modules(reverie.layers.__path__):
        contents = vars(importlib.import_module(f"reverie.layers.{module.name}")).values()
        classes = [item for item in contents if inspect.isclass(item) and issubclass(item, keras.layers.Layer)]
        found |= {item.__name__ for item in classes if item.__module__.startswith("reverie.")}
    assert found - BASES == set(LAYERS)


def test_layers_that_run_everywhere_are_those_whose_modules_do_without_tensorflow():
    everywhere = {name for names in reverie.layers._ON_EVERY_BACKEND.values() for name in names}
    assert {name for name, record in LAYERS.items() if record.backends} == everywhere & set(LAYERS)


def test_every_public_name_can_be_had_and_a_wrong_one_is_refused():
    for name in reverie.layers.__all__:
        assert getattr(reverie.layers, name) is not None
    assert set(reverie.layers._HOMES) | {"LAYERS"} == set(reverie.layers.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Whitenning'"):
        _ = reverie.layers.Whitenning


def _doubled(name: str = "Doubled"):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    Doubled.__name__ = Doubled.__qualname__ = name
    return Doubled


@pytest.fixture
def forgets(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(reverie.layers.registry, "LAYERS", dict(LAYERS))
    return reverie.layers.registry.LAYERS


def test_a_layer_of_one_s_own_is_registered_and_passes_the_same_checks(forgets, tmp_path):
    layer = register_layer(inputs=[CallInput((3,))])(_doubled("DoubledOutside"))
    layer_checks.check_layer(forgets["DoubledOutside"], tmp_path)
    assert keras.saving.get_registered_name(layer) == "reverie>DoubledOutside"


def test_registering_a_cell_again_replaces_it_and_a_taken_name_is_refused(forgets):
    register_layer(inputs=[CallInput((3,))])(_doubled())
    again = register_layer(inputs=[CallInput((4,))])(_doubled())
    assert forgets["Doubled"].layer is again
    with pytest.raises(UserError, match=r"'Whitening' is registered already, from reverie\.layers\.whitening"):
        register_layer(inputs=[CallInput((3,))])(_doubled("Whitening"))


def test_what_is_no_layer_or_is_called_with_nothing_is_refused():
    with pytest.raises(UserError, match=r"expected a subclass of keras\.layers\.Layer"):
        register_layer(inputs=[CallInput((3,))])(dict)
    with pytest.raises(UserError, match="Doubled has no inputs"):
        register_layer(inputs=[])(_doubled())


def test_a_check_tells_a_layer_that_forgets_its_settings(forgets):
    @register_layer(arguments={"factor": 3.0}, inputs=[CallInput((3,))])
    class Forgetful(keras.layers.Layer):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, inputs):
            return self.factor * inputs

        def get_config(self):
            return super().get_config()

    with pytest.raises(AssertionError, match="Forgetful from its config"):
        layer_checks.check_config(forgets["Forgetful"])
