"""The same extraction on many machines, as an Apache Beam pipeline.

Every frame is drawn from the seed and its file alone, so machines need not agree on anything. What must be decided
in one place is which of two near-duplicates goes: the fingerprints of all frames (8 bytes each) are brought together
and judged in the order of the videos, as on one machine. The shards come out the same, byte for byte.
"""

from typing import NamedTuple

from ...errors import UserError
from . import extract, shards
from .extract import FrameFilter, Job, ShardInProgress
from .pool import Pool
from .shards import Manifest


class Look(NamedTuple):
    """What the filter needs of a frame; see `worker.Frame`."""

    luma: float
    fingerprint: int


def run(job: Job, options=None) -> Manifest:
    """Runs a job as a pipeline and returns the manifest.

    Args:
      job: as for `extract.run`; `out` and the videos must be within reach of every machine.
      options: `apache_beam.options.pipeline_options.PipelineOptions`, or None for a run in this process.

    Raises:
      UserError: Apache Beam is not installed; as `extract.run`.
    """
    try:
        import apache_beam as beam
    except ImportError:
        raise UserError("--runner needs Apache Beam: pip install 'reverie[beam,video]'") from None
    videos, per_shard = extract.open_job(job)
    count = -(-len(videos) // per_shard)

    class Decode(beam.DoFn):
        """(number, path) to (number, `Answer`), in a killable process of the machine."""

        def setup(self):
            self._pool = Pool(1, job.video, job.seconds)

        def process(self, element):
            number, path = element
            yield number, next(iter(self._pool.map([path])))

        def teardown(self):
            self._pool.__exit__()

    def judged(_, looks):
        kept = FrameFilter(job)
        return {number: kept.verdicts(frames) for number, frames in sorted(looks, key=lambda item: item[0])}

    def written(element, verdicts):
        number, answers = element
        shard = ShardInProgress(job)
        for video, answer in sorted(answers, key=lambda item: item[0]):
            shard.take(video, answer, verdicts[video])
        return number, shard.close(shards.shard_name(number, count))

    def finished(_, notes):
        notes = [note for _, note in sorted(notes, key=lambda item: item[0])]
        total = shards.Tally()
        for note in notes:
            total.add(shards.tally_of(note))
        extract.check_budget(total, len(videos), job)
        extract.finish(job, total, notes)

    with beam.Pipeline(options=options) as pipeline:
        answers = (
            pipeline
            | "videos" >> beam.Create(list(enumerate(videos)))
            | "spread" >> beam.Reshuffle()
            | "decode" >> beam.ParDo(Decode())
        )
        looks = answers | "looks" >> beam.MapTuple(lambda number, answer: (number, _looks(answer)))
        verdicts = pipeline | "one" >> beam.Create([None]) | "judge" >> beam.Map(judged, beam.pvalue.AsList(looks))
        notes = (
            answers
            | "shard" >> beam.MapTuple(lambda number, answer: (number // per_shard, (number, answer)))
            | "gather" >> beam.GroupByKey()
            | "write" >> beam.Map(written, beam.pvalue.AsSingleton(verdicts))
        )
        _ = pipeline | "end" >> beam.Create([None]) | "manifest" >> beam.Map(finished, beam.pvalue.AsList(notes))
    return shards.manifest(job.out)


def options(runner: str, arguments: list):
    """Beam's own options from the rest of a command line.

    Raises:
      UserError: Apache Beam is not installed.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise UserError("--runner needs Apache Beam: pip install 'reverie[beam,video]'") from None
    return PipelineOptions([f"--runner={runner}", *arguments])


def _looks(answer) -> list:
    return [Look(frame.luma, frame.fingerprint) for frame in answer.frames]
