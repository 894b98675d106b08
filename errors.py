"""What can go wrong, as the command line reports it.

Every error that a user can cause or fix is one of these: one line that says what was wrong, the value,
and what would be right. The command line prints that line and exits with `exit_code`; anything else that
escapes is a defect of the package and keeps its traceback. This file imports nothing, so that every folder may
use it.
"""


class UserError(Exception):
    """A setting, a path or a data set that cannot be used as given."""

    exit_code = 2


class NonFiniteError(UserError):
    """Training met a loss or a gradient that is not a finite number; nothing of it was applied."""

    exit_code = 3


class ParityError(UserError):
    """An exported file does not reproduce the numbers of the Keras model; nothing was published."""

    exit_code = 4


class StorageError(UserError):
    """A file could not be written (disk full, quota, permission); what was there before is intact."""

    exit_code = 5


class ClusterError(UserError):
    """A machine that training cannot continue without was lost; the last checkpoint is good."""

    exit_code = 6


# Exit codes of the command line, in words.
EXIT_CODES = {
    "0": "done",
    "1": "a defect of the package (with its traceback)",
    f"{UserError.exit_code}": "invalid arguments, settings or data",
    f"{NonFiniteError.exit_code}": "a loss or gradient was not finite",
    f"{ParityError.exit_code}": "an export did not reproduce the model",
    f"{StorageError.exit_code}": "storage failed",
    f"{ClusterError.exit_code}": "a process that training cannot go on without was lost",
    "130/143/129": "stopped by SIGINT, SIGTERM or SIGHUP after saving",
}


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or the name of its type."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def storage_cause(error: Exception) -> str:
    """What the disk said: "{{node}} path; No space left on device [Op:SaveV2]" -> "No space left on device"."""
    return first_line(error).rsplit("; ", 1)[-1].split(" [Op:")[0]


def in_bytes(count: float) -> str:
    """So many bytes in the unit that suits them.

    Example:
      >>> in_bytes(64e9), in_bytes(32_000_000), in_bytes(100)
      ('59.6 GiB', '30.5 MiB', '0.1 KiB')
    """
    power = 3 if count >= 2**30 else 2 if count >= 2**20 else 1
    return f"{count / 2 ** (10 * power):,.1f} {'KMG'[power - 1]}iB"
