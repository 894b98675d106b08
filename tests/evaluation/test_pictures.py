import io

import numpy as np
import PIL.Image
from reverie.evaluation import pictures


def test_a_grid_puts_each_image_in_its_row_and_column():
    images = np.arange(6).reshape(2, 3, 1, 1, 1) / 10.0 * np.ones([1, 1, 5, 4, 1])
    sheet = pictures.grid(images, gap=1, least_side=5)
    assert sheet.shape == (2 * 6 + 1, 3 * 5 + 1, 1) and sheet.dtype == np.uint8
    for row in range(2):
        for column in range(3):
            window = sheet[1 + row * 6 : 6 + row * 6, 1 + column * 5 : 5 + column * 5]
            assert (window == round(255 * (row * 3 + column) / 10)).all()
    assert (sheet[0] == 255).all() and (sheet[:, 0] == 255).all()


def test_small_images_are_enlarged_by_whole_pixels_and_values_are_clipped():
    image = np.array([[2.0, -1.0], [np.nan, 0.5]]).reshape(1, 1, 2, 2, 1)
    sheet = pictures.grid(image, gap=0, least_side=6)[..., 0]
    assert sheet.shape == (6, 6)
    assert sheet[0, 0] == 255 and sheet[0, 5] == 0 and sheet[5, 0] == 0 and sheet[5, 5] == 128


def test_png_files_hold_the_pixels(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (7, 9, 1), dtype=np.uint8)
    pictures.save_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / "a.png")), picture[..., 0])
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(pictures.to_png(picture)))), picture[..., 0])


def test_plots_show_something():
    rng = np.random.default_rng(0)
    plot = pictures.scatter(rng.normal(size=(50, 2)), rng.integers(-1, 3, 50), "title", ("a", "b", "c"))
    assert plot.dtype == np.uint8 and plot.shape[2] == 3 and plot.std() > 5
    plot = pictures.curves({"loss": ([0, 1, 2], [3.0, 2.0, 1.0])}, "loss", logarithmic=True)
    assert plot.std() > 5


def test_rows_with_words_have_a_line_above_and_rows_without_have_none():
    images = np.zeros([2, 3, 64, 64, 1])
    both = pictures.labeled_rows(images, ["red", "blue"])
    one = pictures.labeled_rows(images, ["red", ""])
    assert both.shape[1:] == one.shape[1:] and both.shape[-1] == 3
    assert both.shape[0] - one.shape[0] == 20
    assert one[:20].min() < 128  # The word itself.


def test_a_graph_shows_every_node():
    thumbnails = {name: np.full([40, 40, 3], 90, np.uint8) for name in ("all", "a", "b", "ab")}
    drawn = pictures.graph(
        [["all"], ["a", "b"], ["ab"]], [("all", "a"), ("all", "b"), ("a", "ab"), ("b", "ab")], thumbnails
    )
    assert (drawn == 90).all(axis=-1).sum() > 4 * 20 * 20
