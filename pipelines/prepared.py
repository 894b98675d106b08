# moved: pipelines.sources.tfds (build is now prepare)
from .sources.tfds import prepare as build  # noqa: F401
