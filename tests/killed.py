"""Training that ends as a killed process does."""

import contextlib
from collections.abc import Iterator

import pytest
from reverie.training import loop


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Within, training ends before the call that would go on from `step` or a later one, and nothing more is saved.

    Args:
      step: of the whole run.

    Example:
      with killed_at(20):
          run(config, folder)
    """
    original = loop.Runner.call

    def call(self, iterator, count):
        if int(self.step.numpy()) >= step:
            raise KeyboardInterrupt
        return original(self, iterator, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Runner, "call", call)
        with pytest.raises(KeyboardInterrupt):
            yield
