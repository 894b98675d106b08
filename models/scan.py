"""SCAN, the whole of it: words for what a network already sees (Higgins et al. 2018, arXiv 1707.03389).

Four networks, trained one after the other, each frozen for the next:

1. `denoising`: an autoencoder that fills in a missing rectangle; what it makes of a picture says what matters in it;
2. `vision`: a beta-VAE that finds visual primitives without labels;
3. `symbols`: a VAE on symbols, grounded in the primitives by a few pictures with words;
4. `recombination`: operators that compose what symbols mean, also into what nobody has seen.

Afterwards words become pictures (`symbols_to_images`), pictures words (`images_to_symbols`), and words new words
(`compose`).
"""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ..layers import Noise
from . import attempts
from .beta_vae import ENLARGED, LOG_VARIANCES, BetaVAE, BetaVAEConfig
from .contract import Capability, Family, Stage, StageSettings
from .denoising import Denoising, DenoisingConfig
from .guidance import at_least_once, guided
from .limits import CODES, PIXELS
from .network import Network
from .recombination import OPERATORS, Recombination, RecombinationConfig
from .signature import Signature
from .symbol_vae import SymbolVAE, SymbolVAEConfig
from .unmixing import unmix
from .vision import VisionStageSettings
from .vision import signatures as vision_signatures

VIEWS = ("decoded", "denoised")
# As good as not seen at all.
_RARE = 1e-6
# Draws by which a concept is told what it names, and how probable a value has to be over all of them. With these no
# value too many was named in 1,200 compositions, and one too few in 9 of 100.
_DRAWS, _OFTEN = 64, 0.4


@dataclasses.dataclass(frozen=True)
class ScanConfig:
    """The four networks and how they hang together.

    Attributes:
      image_shape: (height, width, channels).
      attributes: ((name, values, noun), ...), see `pipelines.Vocabulary.plain`.
      denoising, vision, symbols, recombination: of the networks.
      view: pictures are shown as "decoded", or "denoised": seen through the denoising autoencoder, sharper.
      guidance: how many times over a concept is meant where pictures are imagined of it, see `guidance.py`; 1 is the
        paper.
      attempts: draws of each picture that is imagined of a concept. The first is kept in which the model itself sees
        all that is named; of none, that in which it is likeliest. 1, the paper, looks at none.
    """

    image_shape: tuple = (64, 64, 3)
    attributes: tuple = ()
    denoising: DenoisingConfig = dataclasses.field(default_factory=DenoisingConfig)
    vision: BetaVAEConfig = dataclasses.field(default_factory=BetaVAEConfig)
    symbols: SymbolVAEConfig = dataclasses.field(default_factory=SymbolVAEConfig)
    recombination: RecombinationConfig = dataclasses.field(default_factory=RecombinationConfig)
    view: str = "decoded"
    guidance: float = 1.0
    attempts: int = 1

    def __post_init__(self):
        at_least_once(self.guidance)
        attempts.check(self.attempts)
        if self.view not in VIEWS:
            raise ValueError(f"view is '{self.view}'; expected one of {', '.join(VIEWS)}")
        if not self.attributes:
            raise ValueError("attributes are empty; they come from the data when a run starts")
        if self.sees_features and self.denoising.compared != "pictures":
            raise ValueError(
                f"compared is '{self.denoising.compared}', as in runs of an earlier version, whose denoising "
                "autoencoder was another network; expected 'pictures': train the run again"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each attribute."""
        return tuple(len(values) for _, values, _ in self.attributes)

    @property
    def sees_features(self) -> bool:
        """Whether vision is judged through the denoising autoencoder, or shown through it."""
        return self.vision.likelihood == "features" or self.view == "denoised"


@keras.saving.register_keras_serializable("reverie")
class Scan(Network):
    """The four networks; images are float32 [n, h, w, c] in [0, 1], symbols k-hot float32 [n, values].

    Example:
      >>> small = BetaVAEConfig(image_shape=(16, 16, 3), channels=(4, 4), hidden=8, latents=3)
      >>> words = (("color", ("red", "blue"), ""), ("object", ("hat", "ball"), ""))
      >>> model = Scan(ScanConfig(image_shape=(16, 16, 3), attributes=words, vision=small))
      >>> red = tf.constant([[1.0, 0.0, 0.0, 0.0]])
      >>> model.symbols_to_images(red, 2, [0, 0])["images"].shape
      TensorShape([2, 16, 16, 3])
    """

    settings = ScanConfig

    def __init__(self, config: ScanConfig, **kwargs):
        super().__init__(**kwargs)
        self.config, self.sizes = config, config.sizes
        self.denoising = Denoising(config.denoising, name="denoising")
        self.vision = BetaVAE(config.vision, name="vision")
        self.symbols = SymbolVAE(config.symbols, config.sizes, config.vision.latents, name="symbols")
        self.recombination = Recombination(config.recombination, config.vision.latents, name="recombination")
        self.built = True

    # ---- objectives, one a stage

    def stages(self) -> list[Stage]:
        """The four stages in order; see `Stage`."""
        return [
            Stage(
                name="denoising",
                part="denoising",
                variables=self.denoising.trainable_variables,
                losses=lambda first_step, held_out: self.denoising_losses,
                needed=self.config.sees_features,
                gives=("denoising",),
            ),
            Stage(
                name="vision",
                part="vision",
                variables=self.vision.trainable_variables,
                losses=lambda first_step, held_out: functools.partial(self.vision_losses, first_step=first_step),
                gives=("vision",),
                unmix=functools.partial(unmix, self.vision),
                settles=self.vision.settles,
            ),
            Stage(
                name="symbols",
                part="symbols",
                variables=self.symbols.trainable_variables,
                losses=lambda first_step, held_out: self.symbol_losses,
                sees="codes",
                gives=("symbols",),
            ),
            Stage(
                name="operators",
                part="recombination",
                variables=self.recombination.trainable_variables,
                losses=lambda first_step, held_out: functools.partial(
                    self.operator_losses, held_out=tf.constant(held_out, tf.float32)
                ),
                sees="codes",
                gives=("operators",),
                whole_batch="the stage operators composes each row with others of its step (it can be a run of its "
                "own, see stages.start_from)",
            ),
        ]

    def losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """The beta-VAE's objective: what a run of this family is watched by; see `BetaVAE.losses`."""
        del training
        return self.vision_losses(batch, noise, True)

    def denoising_losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """Stage 1, in the color space of vision; see `Denoising.losses`."""
        return self.denoising.losses(batch, noise, training, self.vision.seen)

    def vision_losses(self, batch: dict, noise: Noise, training: bool = True, first_step: int = 0) -> dict:
        """Stage 2; the denoising autoencoder is frozen."""
        del training
        return self.vision.losses(batch, noise, self.denoising.features, first_step)

    def symbol_losses(self, batch: dict, noise: Noise, training: bool = True) -> dict:
        """Stage 3; see `SymbolVAE.losses`."""
        del training
        return self.symbols.losses(batch, noise)

    def operator_losses(self, batch: dict, noise: Noise, training: bool = True, *, held_out) -> dict:
        """Stage 4; see `Recombination.losses`."""
        del training
        return self.recombination.losses(batch, noise, self.symbols, held_out)

    # ---- pictures

    def encode(self, images) -> dict:
        """{"mean", "log_variance"} of q(z | x), float32 [n, latents]."""
        mean, log_variance = self.vision.code(images)
        return {"mean": mean, "log_variance": log_variance}

    def decode(self, mean) -> dict:
        """{"images"} that latents float32 [n, latents] stand for."""
        return {"images": self.picture(mean)}

    def picture(self, latents):
        """Pictures of latents as they are shown, float32 [n, h, w, c]."""
        painted = self.vision.paint(latents)
        return self.vision.shown(self.denoising.reconstruct(painted) if self.config.view == "denoised" else painted)

    def reconstruct(self, images) -> dict:
        """{"images"}, of the posteriors' means."""
        return {"images": self.picture(self.vision.code(images)[0])}

    def generate(self, count, seed) -> dict:
        """Imagines anything: `count` pictures of latents from the prior; the same `seed` (int32 [2]), the same ones."""
        return {"images": self.picture(_normal(count, self.config.vision.latents, seed))}

    # ---- words

    def symbols_to_images(self, symbols, count, seed) -> dict:
        """Imagines what symbols name; what they leave open varies.

        Args:
          symbols: float32 [count, values] or [1, values], at most one value an attribute.
          count: int32 scalar.
          seed: int32 [2]; the same seed gives the same pictures.

        Returns:
          {"images": float32 [count, h, w, c]}.
        """
        named = one_value_each(symbols, self.sizes)
        return self.imagine(self.symbols.code(named), count, seed, named)

    def concept(self, symbols) -> tuple:
        """What symbols mean, as a Gaussian over the latents: (mean, log_variance), float32 [n, latents] each."""
        return self.symbols.code(symbols)

    def combined(self, first: tuple, operator, second: tuple) -> tuple:
        """A concept made of two by an operator, int32 [n]; concepts as `concept` gives them."""
        return self.recombination.compose(first, operator, second)

    def imagine(self, code: tuple, count, seed, named=None) -> dict:
        """Imagines what concepts mean.

        Args:
          code: Gaussians (mean, log_variance), float32 [1 or count, latents] each.
          count, seed: as of `symbols_to_images`.
          named: what to look for where there are several attempts, float32 [1 or count, values]; by default what the
            concepts themselves say in words.

        Returns:
          {"images": float32 [count, h, w, c]}.
        """
        mean, log_variance = guided(code, self.config.guidance)
        if named is None and self.config.attempts > 1:
            named = self.said(code)

        def drawn(number: int):
            key = tf.random.experimental.stateless_fold_in(seed, number, alg="philox") if number else seed
            return self.picture(mean + tf.exp(0.5 * log_variance) * _normal(count, mean.shape[-1], key))

        images = attempts.best_of(self.config.attempts, drawn, lambda images: self._fitting(images, named))
        return {"images": images}

    def said(self, code: tuple):
        """What concepts name, k-hot float32 [n, values]: the values that their draws are called by, and not by others.

        At its mean a concept is called something in every attribute, as every picture is; where it leaves one open, its
        draws are called now this and now that.
        """
        mean, log_variance = code
        normal = tf.random.stateless_normal([_DRAWS, 1, mean.shape[-1]], [0, 0], alg="philox")
        drawn = mean + tf.exp(0.5 * log_variance) * normal
        probabilities = self.symbols.probabilities(tf.reshape(drawn, [-1, mean.shape[-1]]))
        often = tf.reduce_mean(tf.reshape(probabilities, [_DRAWS, -1, sum(self.sizes)]), axis=0)
        return tf.cast(often > _OFTEN, tf.float32)

    def _fitting(self, images, named):
        """How well pictures show what is named, see `attempts.best_of`: else by the logarithm of its probability."""
        probabilities = self.in_words(self.vision.code(images)[0])["probabilities"]
        seen, likely = tf.constant(True), tf.constant(0.0)
        wanted = tf.cast(named > 0.5, tf.float32)
        for part, of in zip(tf.split(probabilities, self.sizes, -1), tf.split(wanted, self.sizes, -1), strict=True):
            asked = tf.reduce_max(of, axis=-1) > 0.5
            right = tf.reduce_sum(of * part, axis=-1)
            seen &= ~asked | (right >= tf.reduce_max(part, axis=-1))
            likely += tf.where(asked, tf.math.log(right / tf.reduce_sum(part, axis=-1) + _RARE), 0.0)
        return tf.where(seen, attempts.FITS, likely)

    def images_to_symbols(self, images) -> dict:
        """What pictures show, in words.

        Returns:
          {"probabilities": float32 [n, values], that each value would be named; "label": int32 [n, attributes], the
          likeliest value of each attribute}.
        """
        return self.in_words(self.vision.code(images)[0])

    def compose(self, symbols_a, operator, symbols_b, count, seed) -> dict:
        """Imagines a composition of two symbols.

        Args:
          symbols_a, symbols_b: as in `symbols_to_images`.
          operator: int32 [count] or [1]: 0 AND, 1 IN COMMON, 2 IGNORE.
          count, seed: likewise.

        Returns:
          {"images": float32 [count, h, w, c]; "probabilities", "label" of the composed concept itself, as in
          `images_to_symbols`, with as many rows as were composed}.
        """
        first = self.symbols.code(one_value_each(symbols_a, self.sizes))
        second = self.symbols.code(one_value_each(symbols_b, self.sizes))
        rows = tf.maximum(tf.maximum(tf.shape(symbols_a)[0], tf.shape(symbols_b)[0]), tf.shape(operator)[0])
        parts = [tf.broadcast_to(part, [rows, tf.shape(part)[-1]]) for part in (*first, *second)]
        code = self.recombination.compose(parts[:2], tf.broadcast_to(operator, [rows]), parts[2:])
        return {**self.imagine(code, count, seed), **self.in_words(code[0])}

    def in_words(self, latents) -> dict:
        """What latents float32 [n, latents] say in words; see `images_to_symbols`."""
        probabilities = self.symbols.probabilities(latents)
        parts = tf.split(probabilities, self.sizes, axis=-1)
        likeliest = [tf.argmax(part, axis=-1, output_type=tf.int32) for part in parts]
        return {"probabilities": probabilities, "label": tf.stack(likeliest, axis=-1)}

    def signatures(self) -> dict:
        """Endpoints for export; see `Signature`."""
        return signatures(self, self.compose)

    def page_functions(self) -> dict:
        """What a page runs: pictures to latents and back, words to concepts, concepts composed and said in words."""
        return page_functions(self, self.combined)

    def call(self, images):
        return self.reconstruct(images)["images"]


def one_value_each(symbols, sizes: tuple):
    """The same symbols, behind a check that none names two values of one attribute."""
    parts = tf.split(symbols, sizes, axis=-1)
    sums = tf.stack([tf.reduce_sum(part, axis=-1) for part in parts], axis=-1)
    message = "symbols: a contradiction, expected at most one value an attribute"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(sums < 1.5), [message])]):
        return tf.identity(symbols)


def _normal(count, latents: int, seed):
    return tf.random.stateless_normal([count, latents], seed, alg="philox")


def signatures(model, compose: Callable | None = None) -> dict[str, Signature]:
    """Endpoints of a model that turns symbols into images and back, and composes them where it can."""
    shape, values = model.config.image_shape, sum(model.sizes)
    enlarged = ENLARGED[model.config.vision.color_space]
    images = {"images": tf.TensorSpec([None, *shape], tf.float32, name="images")}
    pixels = {"images": PIXELS}
    request = {"count": tf.TensorSpec([], tf.int32, name="count"), "seed": tf.TensorSpec([2], tf.int32, name="seed")}

    def symbols_as(name):
        return {name: tf.TensorSpec([None, values], tf.float32, name=name)}

    operator = {"operator": tf.TensorSpec([None], tf.int32, name="operator")}

    def as_images(x):
        return {"images": x}

    def as_request(x):
        return {"count": np.int32(len(x)), "seed": np.array([1, 2], np.int32)}

    def as_symbols(x, name="symbols", first=0):
        labels = [[(first + row) % size for size in model.sizes] for row in range(len(x))]
        parts = [np.eye(size, dtype=np.float32)[[row[k] for row in labels]] for k, size in enumerate(model.sizes)]
        return {name: np.concatenate(parts, axis=-1)}

    def as_composition(x):
        operators = {"operator": np.arange(len(x), dtype=np.int32) % OPERATORS}
        return {**as_symbols(x, "symbols_a"), **operators, **as_symbols(x, "symbols_b", 1), **as_request(x)}

    ends = {
        **vision_signatures(model),
        "symbols_to_images": Signature(
            model.symbols_to_images,
            {**symbols_as("symbols"), **request},
            lambda x: {**as_symbols(x), **as_request(x)},
            {"symbols": (0.0, 1.0)},
            enlarged,
            meaning="imagines what symbols name; what they leave open varies",
            needs="symbols",
        ),
        # No LiteRT file: words turn over at sharp edges between latents, where weights of 8 bits are too coarse.
        "images_to_symbols": Signature(
            model.images_to_symbols,
            images,
            as_images,
            pixels,
            meaning="images to the probability of every word and the likeliest value of every attribute",
            needs="symbols",
        ),
    }
    if compose:
        ends["compose"] = Signature(
            compose,
            {**symbols_as("symbols_a"), **operator, **symbols_as("symbols_b"), **request},
            as_composition,
            {"symbols_a": (0.0, 1.0), "symbols_b": (0.0, 1.0), "operator": (0, OPERATORS - 1)},
            enlarged,
            meaning="imagines two symbols composed by an operator, and says the composition in words",
            needs="operators",
        )
        ends |= _steps(model, symbols_as("symbols"), as_symbols, operator, request, as_request, enlarged)
    return ends


def _steps(model, symbols: dict, as_symbols, operator: dict, request: dict, as_request, enlarged: float) -> dict:
    """`compose` in steps, for expressions of any length: symbols to concepts, those to new ones, these to images."""
    latents = model.config.vision.latents

    def gaussian(*names):
        return {name: tf.TensorSpec([None, latents], tf.float32, name=name) for name in names}

    def code_of(mean, log_variance):
        return {"mean": mean, "log_variance": log_variance}

    def concepts(x, first=0):
        return [part.numpy() for part in model.concept(tf.constant(as_symbols(x, first=first)["symbols"]))]

    def as_pairs(x):
        operators = np.arange(len(x), dtype=np.int32) % OPERATORS
        return {**dict(zip(pair, (*concepts(x), *concepts(x, 1)), strict=True)), "operator": operators}

    pair = ("first", "first_log_variance", "second", "second_log_variance")
    ranges = {name: LOG_VARIANCES if "variance" in name else CODES for name in ("mean", "log_variance", *pair)}
    return {
        "symbols_to_concepts": Signature(
            lambda symbols: code_of(*model.concept(one_value_each(symbols, model.sizes))),
            symbols,
            as_symbols,
            {"symbols": (0.0, 1.0)},
            meaning="symbols to what they mean: mean and log variance of latents",
            needs="symbols",
        ),
        "compose_concepts": Signature(
            lambda first, first_log_variance, operator, second, second_log_variance: code_of(
                *model.combined((first, first_log_variance), operator, (second, second_log_variance))
            ),
            {**gaussian(*pair[:2]), **operator, **gaussian(*pair[2:])},
            as_pairs,
            {**{name: ranges[name] for name in pair}, "operator": (0, OPERATORS - 1)},
            meaning="two concepts and an operator to a concept, which may be composed again",
            needs="operators",
        ),
        "concepts_to_images": Signature(
            lambda mean, log_variance, count, seed: model.imagine((mean, log_variance), count, seed),
            {**gaussian("mean", "log_variance"), **request},
            lambda x: {**code_of(*concepts(x)), **as_request(x)},
            {name: ranges[name] for name in ("mean", "log_variance")},
            enlarged,
            meaning="imagines what concepts mean",
            needs="symbols",
        ),
    }


def page_functions(model, combined: Callable | None = None) -> dict[str, Signature]:
    """Functions of a page, of a model that turns symbols into images and back; `combined` composes concepts."""
    own, latents, values = signatures(model), model.config.vision.latents, sum(model.sizes)

    def gaussian(name):
        return {part: tf.TensorSpec([None, latents], tf.float32, name=part) for part in (name, f"{name}_log_variance")}

    def said(code):
        return {"mean": code[0], "log_variance": code[1]}

    def symbols_of(x, first=0):
        labels = [[(first + row) % (size + 1) - 1 for size in model.sizes] for row in range(len(x))]
        parts = [np.eye(size, dtype=np.float32) for size in model.sizes]
        rows = [np.concatenate([parts[k][label] if label >= 0 else 0 * parts[k][0] for k, label in enumerate(row)])
                for row in labels]  # fmt: skip
        return np.stack(rows)

    def as_concepts(x):
        pairs = [model.concept(tf.constant(symbols_of(x, first))) for first in (1, 2)]
        names = ("first", "first_log_variance", "second", "second_log_variance")
        found = dict(zip(names, (part.numpy() for pair in pairs for part in pair), strict=True))
        return {**found, "operator": np.eye(OPERATORS, dtype=np.float32)[np.arange(len(x)) % OPERATORS]}

    def compose(first, first_log_variance, operator, second, second_log_variance):
        assert combined is not None
        chosen = tf.argmax(operator, axis=-1, output_type=tf.int32)
        return said(combined((first, first_log_variance), chosen, (second, second_log_variance)))

    symbols = {"symbols": tf.TensorSpec([None, values], tf.float32, name="symbols")}
    functions = {
        "encode": own["encode"],
        "decode": own["decode"],
        "concept": Signature(
            lambda symbols: said(model.concept(symbols)), symbols, lambda x: {"symbols": symbols_of(x, 1)}, lite=True
        ),
        "words": Signature(
            lambda mean: {"probabilities": model.in_words(mean)["probabilities"]},
            own["decode"].inputs,
            own["decode"].examples,
            lite=True,
        ),
    }
    if combined:
        operator = {"operator": tf.TensorSpec([None, OPERATORS], tf.float32, name="operator")}
        inputs = {**gaussian("first"), **operator, **gaussian("second")}
        functions["compose"] = Signature(compose, inputs, as_concepts, lite=True)
    return functions


def legend(settings) -> tuple[str, ...]:
    """Lines for the model card: what the entries of a symbol mean."""
    lines = [f"- {name}: {', '.join(values)}" for name, values, _ in settings.attributes]
    return ("Entries of a symbol, in this order, 1 where named:", "", *lines)


FAMILY = Family(
    name="scan",
    settings=ScanConfig,
    build=Scan,
    summary="a beta-VAE finds visual primitives, a VAE on symbols names them, a learned operator recombines the names",
    paper="Higgins et al. 2018, arXiv 1707.03389",
    evaluation="reverie.evaluation.scan",
    kinds=("staged",),
    capabilities=frozenset({Capability.STAGES, Capability.WORDS, Capability.EXPLORE}),
    stages={
        "denoising": StageSettings,
        "vision": VisionStageSettings,
        "symbols": StageSettings,
        "operators": StageSettings,
    },
    settable=frozenset({"guidance", "attempts"}),
    legend=legend,
)
