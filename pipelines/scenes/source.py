# moved: pipelines.scenes.rendering (draw is now render)
from .rendering import render as draw  # noqa: F401
