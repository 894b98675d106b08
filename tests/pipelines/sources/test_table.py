import numpy as np
import PIL.Image
import pytest
from reverie import pipelines
from reverie.errors import UserError


def write(folder, text: str) -> str:
    for number in range(4):
        PIL.Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(folder / f"{number}.png")
    (folder / "table.csv").write_text(text)
    return f"table:{folder / 'table.csv'}"


def read(source, split="train", **settings):
    whole = {"validation_fraction": 0.0, "test_fraction": 0.0}
    return pipelines.read(source, split, image_shape=(8, 8, 3), **{**whole, **settings})


def test_a_row_a_picture_a_column_an_attribute(tmp_path):
    images = read(write(tmp_path, "file,hair,age\n0.png,black,10\n1.png,brown,9\n2.png,,10\n3.png,black,9\n"))
    assert images.head_names == ("hair", "age")
    assert images.class_names == {"hair": ("black", "brown"), "age": ("9", "10")}
    np.testing.assert_array_equal(images.labels, [[0, 1], [1, 0], [-1, 1], [0, 0]])
    assert images.pixels[2, 0, 0, 0] == 120


def test_splits_number_values_alike(tmp_path):
    source = write(tmp_path, "file,split,hair\n0.png,train,b\n1.png,test,a\n2.png,train,b\n3.png,test,b\n")
    train, test = read(source), read(source, "test")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 1], [0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("file\n0.png\n", "expected a header such as file,hair"),
        ("file,hair\n0.png\n", "line 2 has 1 cells; expected 2"),
        ("file,split,hair\n0.png,monday,a\n", "split 'monday'; expected train, validation or test"),
        ("file,hair\nnone.png,a\n", "no usable image"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path, text))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read as a table"):
        read(f"table:{tmp_path}/none.csv")
