"""The `reverie` command: a file a verb, and what all verbs share.

Each verb parses its flags, calls `experiments`, and prints. Exit codes are those of `errors.EXIT_CODES`.
"""

import errno
import importlib
import io
import itertools
import os
import re
import sys
import traceback

from absl import flags

from .. import quiet
from ..errors import EXIT_CODES, StorageError, UserError
from .command import Command, last_lists, one_folder, without_config

# Verb -> its file, in the order in which they are listed.
VERBS = {
    "train": "train",
    "compare": "compare",
    "evaluate": "evaluate",
    "data": "data",
    "export": "export",
    "encode": "encode",
    "generate": "generate",
    "imagine": "imagine",
    "describe": "describe",
    "serve-check": "serve_check",
    "report": "report",
    "explore": "explore",
    "doctor": "doctor",
}
# Full disk, quota, read-only, no permission: wherever they surface, the user can fix them.
# What Python says of a flag's value that it cannot convert -> what would have been right.
_CONVERSIONS = {
    "invalid literal for int": "a whole number",
    "could not convert string to float": "a number",
    "Non-boolean argument": "true or false",
}
_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def console() -> None:
    """Entry point of the `reverie` script."""
    try:
        sys.exit(main(sys.argv))
    except BrokenPipeError:  # The reader of our output (head, less) has closed the pipe, as it may.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def main(argv: list[str]) -> int:
    """Runs one verb and returns its exit code; `argv` is as in sys.argv."""
    if len(argv) < 2 or argv[1] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if len(argv) > 1 else UserError.exit_code
    name = argv[1]
    if name == "--version":
        from .. import __version__

        print(f"reverie {__version__}")
        return 0
    # Names of files need not be of the terminal's encoding, nor of any.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    values = flags.FlagValues()
    try:
        if name not in VERBS:
            raise UserError(f"no command '{name}'; expected one of {', '.join(VERBS)}")
        return _run(name, argv[2:], values)
    except UserError as error:
        if values.is_parsed() and values.debug:
            traceback.print_exc()
        print(f"reverie {name}: error: {_one_line(error, values)}", file=sys.stderr)
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


def _run(name: str, arguments: list[str], values: flags.FlagValues) -> int:
    flags.DEFINE_bool("debug", False, "Show the traceback of errors, and TensorFlow's own log.", flag_values=values)
    text = (
        "Python files or modules, comma-separated, that register families, sources, methods or layers; those of the "
        "variable REVERIE_PLUGINS are loaded too."
    )
    flags.DEFINE_list("plugins", [], text, flag_values=values)
    command = command_of(name)
    if any(argument in ("-h", "--help") for argument in arguments):
        command.define(values, [name, *arguments])
        print(f"usage: reverie {name} {command.usage}\n\n{command.summary}\n{_flag_help(values)}")
        return 0
    os.environ.setdefault(quiet.VARIABLE, "0" if "--debug" in arguments else "3")
    with quiet.held_back(errors=False):
        import tensorflow  # noqa: F401  The slow import, once, where its log output can be held back.
    from ..experiments import plugins

    plugins.load(_given(arguments, "plugins"))
    positional = _parse(command, values, [name, *arguments])
    one_folder(values)
    if positional and command.usage in ("", "[flags]"):
        raise UserError(f"'{positional[0]}' is no flag; expected flags alone (reverie {name} --help lists them)")
    return command.run(values, positional) or 0


def _one_line(error: UserError, values: flags.FlagValues) -> str:
    """The message on one line, whatever the names in it; settings as this verb's own flags, where it has no config."""
    from ..paths import shown

    text = shown(error)
    if "config" in values:
        return text

    def flag(match: re.Match) -> str:
        return f"--{match.group(1)}" if match.group(1) in values else match.group()

    return re.sub(r"(?<![\w./-])(?:--config\.)?data\.(\w+)", flag, text)


def command_of(name: str) -> Command:
    """A verb by its name."""
    return importlib.import_module(f".{VERBS[name]}", __name__).COMMAND


def _given(arguments: list[str], flag: str) -> list[str]:
    """The values of a list flag, before flags can be parsed; as with any flag the last one counts."""
    found: list[str] = []
    for argument, following in itertools.pairwise([*arguments, ""]):
        if argument == "--":
            break
        if match := re.fullmatch(rf"--?{flag}(?:=(.*))?", argument, re.DOTALL):
            found = (following if match.group(1) is None else match.group(1)).split(",")
    return [value for value in found if value]


def _parse(command: Command, values: flags.FlagValues, argv: list[str]) -> list[str]:
    """Positional arguments, with flags.Error and config errors as one line that names the value."""
    try:
        command.define(values, argv)
        if "config" in values:
            argv = last_lists(without_config(argv)[1], values["config"].value)  # What it names is in `values` already.
        return values(argv)[1:]
    except flags.Error as error:
        raise UserError(_of_flags(" ".join(str(error).split()))) from None
    except (AttributeError, KeyError) as error:  # ml_collections: a key that the config does not have.
        message = str(error).replace("\\n", " ").replace("\\", "").strip("\"'")
        raise UserError(f"config: {' '.join(message.split())}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"config: {' '.join(str(error).split())}") from None


def _of_flags(message: str) -> str:
    """What the parser of flags says; what it takes from Python's own conversions in words of a person."""
    for said, expected in _CONVERSIONS.items():
        if match := re.fullmatch(rf"flag (--[^=]+)=(.*): .*{said}.*", message):
            return f"{match.group(1)} is '{match.group(2)}'; expected {expected}"
    return message


def _overview() -> str:
    from ..configs import names

    lines = [f"  {name:12} {command_of(name).summary}" for name in VERBS]
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return (
        "usage: reverie COMMAND [flags]\n\n"
        + "\n".join(lines)
        + f"\n\nreverie COMMAND --help lists a command's flags. Configs: {', '.join(names())}.\nExit codes: {codes}."
    )


def _flag_help(values: flags.FlagValues) -> str:
    lines = []
    for name in sorted(set(values)):
        flag = values[name]
        if name == flag.name:
            default = f" (default: {flag.default!r})" if flag.default not in (None, "", []) else ""
            lines.append(f"  --{name:14} {flag.help}{default}")
    return "\n".join(lines)
