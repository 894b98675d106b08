"""The verb `explore`: a run as a page to touch."""

from .command import Command, anew, boolean, folder, needed, set_anew, string


def _define(values, _):
    folder("workdir", "The run folder.", values)
    anew(values)
    string("out", "", "The HTML file to write; <workdir>/explore.html by default.", values)
    text = "float32, float16, dynamic (8 bits), or auto: the most exact with which the page stays below 6 MB."
    string("weights", "auto", text, values)
    text = "Folder of the page's built code; by default one for this version below ~/.cache/reverie (XDG_CACHE_HOME)."
    string("code", "", text, values)
    boolean("build", False, "First build that code, once: fetches LiteRT.js and a bundler by npm.", values)


def _run(values, _):
    if not values.build:
        needed(values, "workdir")
    from .. import experiments

    if values.build:
        print(experiments.build_code(values.code))
    if values.workdir:
        run = experiments.Run(values.workdir, settings=set_anew(values))
        print(run.explore(values.out, weights=values.weights, code=values.code))


COMMAND = Command("Writes a page in which the run's models can be touched: sliders, drawing, words.", _define, _run)
