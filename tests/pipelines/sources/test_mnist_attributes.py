import numpy as np
import pytest
from reverie import pipelines
from reverie.errors import UserError
from reverie.pipelines import placed_digits
from reverie.pipelines.sources.mnist_attributes import ATTRIBUTES, held_out, sample
from reverie.pipelines.symbols import Vocabulary, attributes_of
from scipy import ndimage, stats


def drawn(count: int, seed: int = 0):
    """(labels, poses) of `count` variants of one digit."""
    zeros = np.zeros(count, int)
    return sample(seed, zeros, zeros, np.arange(count))


def test_a_variant_depends_on_its_number_and_the_seed_alone():
    classes, row, variant = np.arange(60) % 10, np.arange(60), np.arange(60) % 3
    labels, poses = sample(3, classes, row, variant)
    some = np.array([7, 50, 0])
    again = sample(3, classes[some], row[some], variant[some])
    np.testing.assert_array_equal(again.labels, labels[some])
    np.testing.assert_array_equal(again.poses, poses[some])
    assert not np.array_equal(sample(4, classes, row, variant).labels, labels)
    np.testing.assert_array_equal(labels[:, 1], classes)


def test_attributes_are_uniform_and_poses_are_drawn_as_published():
    labels, poses = drawn(40_000)
    for column, name in ((0, "scale"), (2, "orientation"), (3, "location")):
        expected = len(labels) / len(ATTRIBUTES[name])
        counts = np.bincount(labels[:, column], minlength=len(ATTRIBUTES[name]))
        assert np.sum((counts - expected) ** 2 / expected) < len(counts) - 1 + 5 * np.sqrt(2 * (len(counts) - 1))
    for value, mean in enumerate((0.6, 0.9)):
        size = poses[labels[:, 0] == value, 0]
        normal = stats.truncnorm((0.4 - mean) / 0.1, (1.0 - mean) / 0.1, mean, 0.1)
        assert stats.kstest(size, normal.cdf).pvalue > 1e-4
    angles = [poses[labels[:, 2] == value, 1] for value in range(3)]
    assert angles[0].mean() == pytest.approx(45, abs=0.5) and angles[2].mean() == pytest.approx(-45, abs=0.5)
    assert angles[0].std() == pytest.approx(10, abs=0.3) and not angles[1].any()
    # A place is cut off where the frame would leave the picture: compared with SciPy's, by the chance of less.
    half = poses[:, 0] * 14 * (np.abs(np.cos(np.radians(poses[:, 1]))) + np.abs(np.sin(np.radians(poses[:, 1]))))
    for value, center in enumerate(((12, 12), (52, 12), (12, 52), (52, 52))):
        found = labels[:, 3] == value
        for axis, mean in enumerate(center):
            low, high = (half[found] - mean) / 4, (64 - half[found] - mean) / 4
            chances = stats.truncnorm(low, high, mean, 4).cdf(poses[found, 2 + axis])
            assert stats.kstest(chances, "uniform").pvalue > 1e-4


def test_the_frame_of_a_digit_stays_in_the_picture():
    _, poses = drawn(5000)
    pictures = placed_digits.gray(np.full([200, 28, 28], 255, np.uint8), poses[:200]).numpy()
    # Nothing is cut off: all of the digit's frame is there, at its scale.
    np.testing.assert_allclose(pictures.sum(axis=(1, 2)) / 255, (28 * poses[:200, 0]) ** 2, rtol=2e-2)
    half = 14 * poses[:, 0] * (np.abs(np.cos(np.radians(poses[:, 1]))) + np.abs(np.sin(np.radians(poses[:, 1]))))
    assert (poses[:, 2:] - half[:, None]).min() > -1e-3 and (poses[:, 2:] + half[:, None]).max() < 64 + 1e-3


def test_digits_are_turned_scaled_and_placed_as_an_independent_rotation_does():
    digit = pipelines.read("mnist_sample").pixels[3, ..., 0]
    poses = np.array([[1.0, 0.0, 32.0, 32.0], [1.0, 45.0, 30.0, 33.0], [0.5, -45.0, 20.0, 40.0]], np.float32)
    shown = placed_digits.gray(np.tile(digit, (3, 1, 1)), poses).numpy()
    for (scale, angle, x, y), picture in zip(poses, shown, strict=True):
        canvas = np.zeros([64, 64])
        canvas[18:46, 18:46] = digit
        # SciPy turns counterclockwise from the first axis to the second, as seen with y downwards.
        turned = ndimage.rotate(canvas, angle, reshape=False, order=1)
        expected = ndimage.zoom(turned, scale, order=1, grid_mode=True, mode="grid-constant")
        top, left = round(y - 32 * scale), round(x - 32 * scale)
        whole = np.zeros([128, 128])
        whole[32 + top : 32 + top + len(expected), 32 + left : 32 + left + len(expected)] = expected
        assert np.corrcoef(whole[32:96, 32:96].ravel(), picture.ravel())[0, 1] > 0.93
    np.testing.assert_allclose(shown[0, 18:46, 18:46].sum(), digit.sum(), rtol=1e-3)


def test_pixels_are_white_as_often_as_they_are_bright():
    shades = np.tile(np.array([0.0, 51.0, 204.0, 255.0], np.float32), (2000, 1, 1))
    white = placed_digits.black_and_white(shades, np.arange(2000)).numpy() / 255
    assert set(np.unique(white)) == {0.0, 1.0}
    np.testing.assert_allclose(white.mean(axis=(0, 1, 3)), [0.0, 0.2, 0.8, 1.0], atol=0.04)
    # Neither neighbors nor the same place of other pictures fall alike.
    middle = white[:, 0, 1:3, 0]
    assert abs(np.corrcoef(middle.T)[0, 1]) < 0.1 and abs(np.corrcoef(middle[:-1, 0], middle[1:, 0])[0, 1]) < 0.1


def test_splits_share_no_digit_or_no_combination():
    iid = pipelines.read_splits("mnist_attributes", variants=3, test_variants=2)
    assert {split: len(images) for split, images in iid.items()} == {"train": 13749, "validation": 834, "test": 2000}
    rows = [{key.partition(".")[0] for key in images.keys} for images in iid.values()]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    apart = pipelines.read_splits("mnist_attributes", combinations="held_out", variants=2, test_variants=2)
    assert sum(map(len, apart.values())) == 12_000
    combinations = {split: {tuple(row) for row in images.labels} for split, images in apart.items()}
    assert {split: len(found) for split, found in combinations.items()} == {"train": 204, "validation": 12, "test": 24}
    assert not combinations["train"] & combinations["test"] and not combinations["validation"] & combinations["test"]
    assert not np.array_equal(held_out(0)["test"], held_out(1)["test"])
    # What a classifier learns from that has to know all combinations is in no split.
    complete = apart["train"].complete
    assert len({tuple(row) for row in complete.labels}) == 240 and iid["train"].complete is None
    assert not any(set(complete.keys) & set(images.keys) for images in apart.values())


def test_a_picture_is_the_same_in_any_batch_and_however_many_variants_there_are():
    few, many = (pipelines.read("mnist_attributes", "test", test_variants=count) for count in (1, 3))
    whole = next(iter(pipelines.in_order(many, 30)))["image"].numpy()
    assert whole.shape == (30, 64, 64, 1) and set(np.unique(whole)) == {0.0, 1.0}
    one_by_one = [batch["image"].numpy()[0] for batch in pipelines.in_order(few.take(np.arange(10)), 1)]
    np.testing.assert_array_equal(one_by_one, whole[::3])
    assert many.keys[3] == "5001.0" and few.keys[1] == "5001.0"
    other = pipelines.read("mnist_attributes", "test", test_variants=1, variants_seed=1)
    assert not np.array_equal(next(iter(pipelines.in_order(other, 10)))["image"], whole[::3])


def test_its_words_are_understood_without_commas():
    vocabulary = Vocabulary(attributes_of(pipelines.read("mnist_attributes", variants=1)))
    symbol = {"scale": "small", "digit": "seven", "orientation": "clockwise", "location": "top-left"}
    assert vocabulary.parse("small seven clockwise top-left") == symbol
    assert vocabulary.phrase(symbol) == "small, seven, clockwise, top-left"


def test_another_set_of_digits_can_be_drawn_and_what_is_none_is_refused(tmp_path):
    pictures = np.full([24, 28, 28], 255, np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=pictures, y_train=np.arange(24) % 10, x_test=pictures[:5], y_test=[1] * 5)
    images = pipelines.read(f"mnist_attributes:{tmp_path}/digits.npz", "test", test_variants=4)
    assert len(images) == 20 and set(images.labels[:, 1]) == {1}
    np.savez(tmp_path / "letters.npz", x_train=pictures, y_train=np.arange(24), x_test=pictures, y_test=np.arange(24))
    np.savez(tmp_path / "small.npz", x_train=pictures[:, :8], y_train=[1] * 24, x_test=pictures[:, :8], y_test=[1] * 24)
    np.savez(tmp_path / "half.npz", x_train=pictures, y_train=[1] * 24)
    for name, message in (
        ("letters", "other labels than the ten digits"),
        ("small", "images are 8x28x1 uint8; expected MNIST's"),
        ("half", "has no test digits"),
    ):
        with pytest.raises(UserError, match=message):
            pipelines.read(f"mnist_attributes:{tmp_path}/{name}.npz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"combinations": "some"}, "data.combinations is 'some'; expected one of iid, held_out"),
        ({"variants": 0}, "data.variants is 0; expected 1 to 1000"),
        ({"test_variants": 1001}, "data.test_variants is 1001; expected 1 to 1000"),
        ({"variants_seed": -1}, "data.variants_seed is -1; expected 0 to"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        pipelines.read("mnist_attributes", **settings)
