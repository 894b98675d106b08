import numpy as np
import pytest
from reverie import export
from reverie.pipelines import decoding

from ..conftest import tiny_arrays


@pytest.fixture(scope="session")
def real_images():
    return (tiny_arrays()[0] / 255.0).astype(np.float32)


def publish(model, base, images, **options):
    """Exports as the command line does."""
    context = {"config": {"model": {"family": "xcov"}, "data": {"source": "tiny"}, "seed": 0}, "step": 1}
    context |= {"reverie": "test", "evaluation": {"accuracy": 0.5}, "environment": {}}

    def from_bytes(contents):
        return decoding.served_images(contents, (8, 8, 1), "stretch", 10_000)

    return export.export(model, base, images, context, max_batch=32, from_bytes=from_bytes, **options)


@pytest.fixture(scope="session")
def published(trained_model, real_images, tmp_path_factory):
    """One published version of the tiny model, with everything."""
    return publish(trained_model, tmp_path_factory.mktemp("export") / "xcov", real_images)
