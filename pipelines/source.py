# moved: pipelines.image_set
from .image_set import Images, for_heads, from_arrays  # noqa: F401
