"""The `reverie` command: train, evaluate, export, encode, generate, serve-check, data, report, doctor.

Exit codes: 0 done; 1 a defect of ours (with its traceback); 2 something to mend in the call, the settings or
the data; 3 a loss or gradient was not finite; 4 an export did not reproduce the model; 5 storage failed; 6 a
parameter server was lost; 130 and 143 stopped by SIGINT or SIGTERM after saving.
"""

import contextlib
import errno
import os
import pathlib
import sys
import tempfile
import traceback

from absl import flags

from .commands import COMMANDS
from .errors import StorageError, UserError

_CONFIGS = pathlib.Path(__file__).parent / "configs"
# Full disk, quota, read-only, no permission: wherever they surface, they are the user's to mend.
_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
_DEFAULT_CONFIG = "xcov_demo"


def console() -> None:
    """Entry point of the `reverie` script."""
    try:
        sys.exit(main(sys.argv))
    except BrokenPipeError:  # The reader of our output (head, less) has gone; that is its good right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def main(argv: list) -> int:
    """Runs one command and returns its exit code; `argv` is as in sys.argv."""
    if len(argv) < 2 or argv[1] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if len(argv) > 1 else UserError.exit_code
    name = argv[1]
    if name == "--version":
        from . import __version__

        print(f"reverie {__version__}")
        return 0
    values = flags.FlagValues()
    flags.DEFINE_bool("debug", False, "Show the traceback of errors, and TensorFlow's own log.", flag_values=values)
    try:
        if name not in COMMANDS:
            raise UserError(f"no command '{name}'; expected one of {', '.join(COMMANDS)}")
        command = COMMANDS[name]
        rest = [_with_config_path(argument) for argument in argv[2:]]
        # Overrides mean nothing before the config that they override is known, wherever it was written.
        rest.sort(key=lambda argument: not argument.startswith("--config="))
        if not any(argument.startswith("--config=") for argument in rest):
            rest.insert(0, _with_config_path(f"--config={_DEFAULT_CONFIG}"))
        command.define(values, [name, *rest])
        if "config" not in values:
            rest = [argument for argument in rest if not argument.startswith("--config=")]
        if any(argument in ("-h", "--help") for argument in rest):
            print(f"usage: reverie {name} {command.usage or '[flags]'}\n\n{command.summary}\n{_flag_help(values)}")
            return 0
        positional = _parse(values, [name, *rest])
        with _quiet_start(values.debug):
            import tensorflow  # noqa: F401  The slow import, once, where its chatter can be held back.
        return command.run(values, positional) or 0
    except UserError as error:
        if values.is_parsed() and values.debug:
            traceback.print_exc()
        print(f"reverie {name}: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        print(
            f"reverie {name}: error: {error.filename or 'a file'} could not be written: {error.strerror}",
            file=sys.stderr,
        )
        return StorageError.exit_code
    except KeyboardInterrupt:
        return 130


def _parse(values, argv: list) -> list:
    """Positional arguments, with flags.Error and config errors as one line that names the value."""
    try:
        return values(argv)[1:]
    except flags.Error as error:
        # A config that refuses its argument comes wrapped in a traceback, with the reason last.
        reason = str(error).rpartition("\nValueError: ")[2]
        raise UserError(" ".join(reason.split())) from None
    except (AttributeError, KeyError) as error:  # ml_collections: a key that the config does not have.
        message = str(error).replace("\\n", " ").replace("\\", "").strip("\"'")
        raise UserError(f"unknown config key '{' '.join(message.split())}") from None
    except (TypeError, ValueError, FileNotFoundError) as error:
        raise UserError(f"config: {' '.join(str(error).split())}") from None


def _with_config_path(argument: str) -> str:
    """--config=xcov_mnist names a config of the package; anything with a slash or .py is a file.

    What follows a colon is the config's own argument, as in --config=replay_split_mnist:gr.
    """
    if not argument.startswith("--config="):
        return argument
    name, colon, rest = argument.split("=", 1)[1].partition(":")
    if "/" in name or name.endswith(".py"):
        if not pathlib.Path(name).is_file():
            raise UserError(f"no such config file: {name}")
        return argument
    path = _CONFIGS / f"{name}.py"
    if not path.is_file():
        raise UserError(f"no config '{name}'; the package has {', '.join(_config_names())}, or give a file")
    return f"--config={path}{colon}{rest}"


def _config_names() -> list:
    return sorted(path.stem for path in _CONFIGS.glob("*.py") if path.stem not in ("__init__", "defaults", "recipes"))


@contextlib.contextmanager
def _quiet_start(debug: bool):
    """Holds back what TensorFlow's libraries print while they load; shows it if loading fails."""
    if debug:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _overview() -> str:
    lines = [f"  {name:12} {command.summary.splitlines()[0]}" for name, command in COMMANDS.items()]
    return (
        "usage: reverie COMMAND [flags]\n\n"
        + "\n".join(lines)
        + f"\n\nreverie COMMAND --help lists a command's flags. Configs: {', '.join(_config_names())}.\n"
        "Exit codes: 0 done, 1 defect, 2 to mend by you, 3 not finite, 4 parity, 5 storage, 6 server lost, "
        "130/143 stopped and saved."
    )


def _flag_help(values) -> str:
    lines = []
    for name in sorted(set(values)):
        flag = values[name]
        if name == flag.name:
            default = f" (default: {flag.default!r})" if flag.default not in (None, "", []) else ""
            lines.append(f"  --{name:14} {flag.help}{default}")
    return "\n".join(lines)
