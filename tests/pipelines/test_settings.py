"""The data section's settings: where they come from, their types, and how little it takes to list them."""

import subprocess
import sys

import pytest
from reverie import pipelines
from reverie.configs import defaults
from reverie.errors import UserError


def test_settings_and_defaults_are_those_that_saved_configs_hold():
    expected = {
        "source": "mnist_sample",
        "image_shape": (28, 28, 1),
        "resize": "none",
        "background": "white",
        "bits": 0,
        "data_dir": "",
        "label_key": "label",
        "attributes": False,
        "validation_fraction": 0.0,
        "test_fraction": 0.1,
        "holdout_seed": 0,
        "holdout": "stratified",
        "windows": 0,
        "window_least": 0.5,
        "without_faces": False,
        "split_folders": "auto",
        "outside": False,
        "fewest_images": 100,
        "train_split": "train",
        "validation_split": "validation",
        "test_split": "test",
        "fold": 0,
        "max_pixels": 40_000_000,
        "max_file_mib": 64.0,
        "max_bad_fraction": 0.01,
        "memory_gib": 4.0,
        "cache": "",
        "service": "",
        "combinations": "iid",
        "variants": 10,
        "test_variants": 10,
        "variants_seed": 0,
    }
    found = {name: option.default for name, option in pipelines.data_settings().items()}
    assert found == expected and {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}
    assert set(found) == set(defaults.get_config().data)
    assert all(option.meaning.endswith(".") for option in pipelines.data_settings().values())


def test_a_whole_section_serves_every_source():
    settings = defaults.get_config().data.to_dict()
    assert set(pipelines.read_splits(splits=("train", "test"), **settings)) == {"train", "test"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_fractoin": 0.1}, "data.test_fractoin is no setting; nearest: test_fraction"),
        ({"test_fraction": "a tenth"}, "data.test_fraction is 'a tenth'; expected a number"),
        ({"holdout_seed": 1.5}, "data.holdout_seed is 1.5; expected a whole number"),
        ({"attributes": 1}, "data.attributes is 1; expected True or False"),
        ({"label_key": 3}, "data.label_key is 3; expected a string"),
        ({"image_shape": (28, 28)}, r"image_shape is \(28, 28\); expected \(height, width, channels\)"),
        ({"image_shape": (28, 28, 2)}, "1 or 3 channels"),
        ({"image_shape": (0, 28, 1)}, r"image_shape is \(0, 28, 1\)"),
        ({"image_shape": "28"}, "image_shape is '28'"),
        ({"image_shape": 28}, "image_shape is 28"),
        ({"test_fraction": float("nan")}, "test_fraction is nan; expected 0 to 0.5"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        pipelines.read("mnist_sample", **settings)


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UserError, match=r"data source 'floder:pictures' is neither .*; nearest: folder"):
        pipelines.read("floder:pictures")


def test_the_table_has_a_row_for_every_kind():
    rows = pipelines.sources_table().splitlines()
    assert len(rows) == 2 + len(pipelines.source_kinds())
    assert all(row.count("|") == 4 for row in rows)
    assert "| `tfd:DIR` | Toronto Face Database, `TFD_48x48.mat` | `fold` |" in rows


def test_sources_and_settings_are_listed_without_tensorflow():
    code = (
        "import sys\n"
        "from reverie import pipelines\n"
        "pipelines.data_settings(), pipelines.sources_table(), pipelines.parse_source('digits.npz')\n"
        "assert 'tensorflow' not in sys.modules and 'scipy' not in sys.modules\n"
        "from reverie.pipelines.frames import worker\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
