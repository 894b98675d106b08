"""What a run is: its kinds, training, measuring, publishing, comparing; each file one of them.

The command line and `import reverie` are thin calls of what is listed here.
"""

from ..export.serve_check import check as serve_check
from ..training.run_folder import environment
from . import plugins
from .checking import check_source
from .compare import Comparison, compare
from .compare_runs import compare_runs
from .configs import check_keys, config, config_path, keep_one_length, make_room
from .description import Description, describe_files
from .encoding import Codes, encode_source
from .endpoints import class_numbers
from .evaluate import evaluate
from .explore import build_code, explore
from .exported import Exported, ExportedEncoder
from .greedy import Greedy
from .kinds import Kind, Prepared, Sample, kind_of, kinds, register_kind
from .outputs import output_file
from .plain import Plain
from .publish import publish
from .reading import describe_images, read_images, read_streams, total_steps
from .run import Run, load
from .sheets import save_rows, save_sheet
from .staged import Staged
from .stream import StreamOfTasks
from .train import command_line, loop_settings, run_training, set_deterministic, train
from .transfer import Transfer

for _kind in (Plain(), Greedy(), Staged(), StreamOfTasks(), Transfer()):
    register_kind(_kind)


__all__ = [
    "Codes",
    "Comparison",
    "Description",
    "Exported",
    "ExportedEncoder",
    "Greedy",
    "Kind",
    "Plain",
    "Prepared",
    "Run",
    "Sample",
    "Staged",
    "StreamOfTasks",
    "Transfer",
    "build_code",
    "check_keys",
    "check_source",
    "class_numbers",
    "command_line",
    "compare",
    "compare_runs",
    "config",
    "config_path",
    "describe_files",
    "describe_images",
    "encode_source",
    "environment",
    "evaluate",
    "explore",
    "keep_one_length",
    "kind_of",
    "kinds",
    "load",
    "loop_settings",
    "make_room",
    "output_file",
    "plugins",
    "publish",
    "read_images",
    "read_streams",
    "register_kind",
    "run_training",
    "save_rows",
    "save_sheet",
    "serve_check",
    "set_deterministic",
    "total_steps",
    "train",
]
