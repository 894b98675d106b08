import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from reverie import pipelines
from reverie.pipelines import batches, from_arrays


def _indices(dataset, count: int) -> list:
    return [batch["index"].numpy() for batch in dataset.take(count)]


def test_a_batch_is_a_dict_of_unit_floats_labels_and_indices(tiny_images):
    batch = next(iter(batches(tiny_images, 4, seed=0)))
    assert batch["image"].dtype == tf.float32 and batch["image"].shape == (4, 8, 8, 1)
    rows = batch["index"].numpy()
    np.testing.assert_allclose(batch["image"], tiny_images.pixels[rows] / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(batch["label"], tiny_images.labels[rows])


def test_a_stream_started_at_step_k_continues_the_unbroken_stream(tiny_images):
    unbroken = _indices(batches(tiny_images, 7, seed=5), 30)
    for k in (1, 8, 17):
        resumed = _indices(batches(tiny_images, 7, seed=5, start_step=k), 10)
        np.testing.assert_array_equal(resumed, unbroken[k : k + 10])


@settings(max_examples=15, deadline=None)
@given(hosts=st.integers(1, 3), replicas_per_host=st.integers(1, 3), share=st.integers(1, 4), start=st.integers(0, 9))
def test_hosts_and_replicas_together_see_the_batch_that_one_device_sees(hosts, replicas_per_host, share, start):
    images = from_arrays("n", np.zeros([50, 2, 2], np.uint8), np.zeros(50, int))
    replicas = hosts * replicas_per_host
    size = share * replicas
    whole = _indices(batches(images, size, seed=2, start_step=start), 3)
    parts = []
    for host in range(hosts):
        context = tf.distribute.InputContext(hosts, host, replicas)
        stream = batches(images, size, seed=2, start_step=start, input_context=context, replicas=replicas)
        parts.append(np.reshape(_indices(stream, 3 * replicas_per_host), [3, -1]))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_evaluation_visits_every_image_once_in_order(tiny_images):
    rows = np.concatenate([batch["index"].numpy() for batch in pipelines.in_order(tiny_images, 16)])
    np.testing.assert_array_equal(rows, np.arange(60))


def test_one_call_gives_a_dataset_from_a_source():
    batch = next(iter(pipelines.dataset("mnist_sample", batch_size=32, seed=1)))
    assert batch["image"].shape == (32, 28, 28, 1)
    assert sum(len(b["label"]) for b in pipelines.dataset("mnist_sample", "test", batch_size=300)) == 1000
