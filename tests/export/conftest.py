import pathlib

import numpy as np
import pytest
from reverie import export
from reverie.export import bundle
from reverie.pipelines import served_files

from ..conftest import tiny_arrays


@pytest.fixture(scope="session")
def real_images():
    return (tiny_arrays()[0] / 255.0).astype(np.float32)


def publish(model, base, images, **options) -> pathlib.Path:
    """Exports as the command line does; the version's folder."""
    family, shape = pathlib.Path(base).name, images.shape[1:]
    config = {"model": {"family": family}, "data": {"source": "tiny"}, "seed": 0}
    provenance = export.Provenance(config, 1, "test", {"accuracy": 0.5})

    def from_bytes(contents):
        return served_files.served_images(contents, shape, "stretch", 10_000)

    return export.export(model, base, images, provenance, max_batch=32, from_bytes=from_bytes, **options).folder


@pytest.fixture(scope="session")
def published(trained_model, real_images, tmp_path_factory):
    """One published version of the tiny model, with everything."""
    return publish(trained_model, tmp_path_factory.mktemp("export") / "xcov", real_images)


@pytest.fixture(scope="session")
def code(tmp_path_factory):
    """A folder as `reverie explore --build` leaves it, with a script that does nothing."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "page.js").write_text('console.log("<\\/script>");\n')
    (folder / "page.css").write_text("body { margin: 0 }\n")
    (folder / "litert.wasm.xz").write_bytes(bundle.packed(b"\0asm" * 100))
    (folder / "built.json").write_text('{"litert": "2.5.3"}')
    return folder
