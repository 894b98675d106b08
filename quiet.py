"""What libraries print from C++ while they work: held back where the work succeeds, shown where it fails."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# Lines that libraries mark as errors: "E0000 00:00:1 ...", "2026-01-01 00:00:00.0: E ...", "ERROR: ...".
_ERROR = re.compile(rb"^(?:[EF]\d{4} .*|\d{4}-\d\d-\d\d [\d:.]+: [EF] .*|ERROR\b.*)$", re.MULTILINE)
# TensorFlow's own switch: 0 shows everything, 3 errors that end the process alone.
VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def held_back(errors: bool = True) -> Iterator[None]:
    """Holds back what is written to the process's standard error, from Python or not, while the block runs.

    If the block fails, all of it is shown. Where TF_CPP_MIN_LOG_LEVEL is 0 nothing is held back.

    Args:
      errors: whether lines that are marked as errors are shown although the block succeeds.

    Example:
      >>> with held_back():
      ...     _ = os.write(2, b"INFO: Created a delegate.\\n")
    """
    try:
        kept = None if os.environ.get(VARIABLE) == "0" else os.dup(2)
    except OSError:  # Standard error is closed.
        kept = None
    if kept is None:
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            _flush()
            os.dup2(kept, 2)
            held.seek(0)
            text = held.read()
            for part in [text] if failed else [line + b"\n" for line in _ERROR.findall(text) if errors]:
                os.write(kept, part)
            os.close(kept)


def _flush() -> None:
    with contextlib.suppress(AttributeError, OSError, ValueError):  # There need be no sys.stderr.
        sys.stderr.flush()
