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


def test_a_value_is_one_however_its_accents_and_blanks_are_written(tmp_path):
    text = 'file,hair\n0.png,r\u00f6t  lich\n1.png,ro\u0308t lich\n2.png,dark\n3.png,"dark\n"\n'
    images = read(write(tmp_path, text))
    assert images.class_names == {"hair": ("dark", "r\u00f6t lich")}
    assert images.labels.tolist() == [1, 1, 0, 0]


def test_a_column_with_a_value_for_every_picture_is_remarked(tmp_path):
    for number in range(60):
        PIL.Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    rows = "".join(f"{number}.png,{number / 8},{'ab'[number % 2]}\n" for number in range(60))
    (tmp_path / "table.csv").write_text(f"file,size,kind\n{rows}")
    remarks = read(f"table:{tmp_path / 'table.csv'}").remarks
    assert list(remarks) == ["size has 60 different values in 60 rows"]


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
