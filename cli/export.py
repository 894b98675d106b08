"""The verb `export`: a run as files for a server and a phone."""

from .command import Command, anew, boolean, folder, integer, needed, set_anew, string


def _define(values, _):
    folder("workdir", "The run folder.", values)
    anew(values)
    string("name", "", "The model's name on the server; the family's name by default.", values)
    string("to", "", "Folder of all models; <workdir>/export by default.", values)
    string("lite", "float32,float16,dynamic,int8", "LiteRT variants, comma-separated, or none.", values)
    text = "Maximum number of images in a request; built into the graph."
    integer("max_batch", 1024, text, values, least=1, most=65536)
    boolean("warmup", True, "Write warm-up requests for TensorFlow Serving.", values)
    text = "Add LiteRT files of one row each, which a page in a browser runs; `reverie explore` takes them from here."
    boolean("page", False, text, values)


def _run(values, _):
    needed(values, "workdir")
    from .. import experiments

    lite = () if values.lite in ("", "none") else tuple(values.lite.split(","))
    published = experiments.Run(values.workdir, settings=set_anew(values)).export(
        values.name, values.to, lite=lite, max_batch=values.max_batch, warmup=values.warmup, page=values.page
    )
    print(published.folder)


COMMAND = Command("Publishes a run as checked SavedModel and LiteRT files.", _define, _run)
