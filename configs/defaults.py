"""What every config starts from: all sections with all their settings, made from the dataclasses that state them.

A config says what differs. Where a setting's default and meaning stand: `data` in `pipelines.data_settings()`, `train`
in `training.phases.TrainSettings`, `schedule` in `training.schedules.ScheduleSettings`, `optimizer` in
`training.optimizers`, `model` in the settings of its family (`models.family(NAME).settings`), `words` in
`training.stages.WordsSettings`, `stages` in the family's `stages`, `transfer` in `training.transfer.TransferSettings`,
`greedy` in `training.greedy.GreedySettings`,
`stream` and `continual` in `recipes.py`.
"""

import ml_collections
from reverie import models
from reverie.models import settings
from reverie.pipelines import data_settings
from reverie.training.greedy import GreedySettings
from reverie.training.phases import TrainSettings
from reverie.training.schedules import ScheduleSettings
from reverie.training.stages import WordsSettings
from reverie.training.transfer import TransferSettings


def get_config(family: str = "") -> ml_collections.ConfigDict:
    """The sections that every run has.

    Args:
      family: whose `model` section is made; "" for none.
    """
    config = ml_collections.ConfigDict()
    config.seed = 0  # Keys the initial weights, the order of examples and all noise.

    config.data = ml_collections.ConfigDict({name: option.default for name, option in data_settings().items()})
    config.train = ml_collections.ConfigDict(settings.section(TrainSettings))
    # The rule's own numbers stand beside its name; see training/optimizers.py for what each rule takes.
    config.optimizer = ml_collections.ConfigDict({"name": "adam"})
    config.schedule = ml_collections.ConfigDict(settings.section(ScheduleSettings))
    if family:
        config.model = model_section(family)
    return config


def model_section(family: str) -> ml_collections.ConfigDict:
    """The `model` section of a family; what may be one number or one a stage takes either."""
    content = ml_collections.ConfigDict(models.family(family).section())
    for name in settings.of_each_stage(models.family(family).settings):
        default = content[name]
        del content[name]
        content[name] = ml_collections.config_dict.placeholder(object)
        content[name] = default
    return content


def in_stages(family: str) -> ml_collections.ConfigDict:
    """The sections of a run in stages: those that every run has, `stages`, and `words` where the family has them."""
    config = get_config(family)
    if models.Capability.WORDS in models.family(family).capabilities:
        config.words = ml_collections.ConfigDict(settings.section(WordsSettings))
    stages = {name: settings.section(kind) for name, kind in models.family(family).stages.items()}
    # `start_from`: a run whose weights stand in for stages of 0 steps.
    config.stages = ml_collections.ConfigDict({"start_from": "", **stages})
    return config


def on_pretrained(family: str) -> ml_collections.ConfigDict:
    """The sections of a run on top of a pretrained network: those that every run has, and `transfer`."""
    config = get_config(family)
    config.transfer = ml_collections.ConfigDict(settings.section(TransferSettings))
    return config


def layer_by_layer(family: str) -> ml_collections.ConfigDict:
    """The sections of a run that learns layer after layer: those that every run has, and `greedy`."""
    config = get_config(family)
    config.greedy = ml_collections.ConfigDict(settings.section(GreedySettings))
    return config
