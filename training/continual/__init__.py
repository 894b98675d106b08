"""Continual learning: a network that learns a stream of tasks, and methods against forgetting.

- `make_experiment` makes an `Experiment` from a config: a model, phases for `loop.train`, and the state beside the
  weights;
- `settings_of`, `stream_settings`, `model_settings` read a config's sections;
- `register_method` makes a `Method` of one's own known by name; `methods` lists them all.
"""

from .experiment import Experiment, make_experiment, model_settings, settings_of, stream_settings
from .method import REHEARSING, Method, MethodContext, Rehearsed, state
from .model import ContinualModel, ImaginingModel
from .options import ContinualSettings, Options, option
from .registry import methods, register_method
from .settings import Settings, checked, defaults

__all__ = [
    "REHEARSING",
    "ContinualModel",
    "ContinualSettings",
    "Experiment",
    "ImaginingModel",
    "Method",
    "MethodContext",
    "Options",
    "Rehearsed",
    "Settings",
    "checked",
    "defaults",
    "make_experiment",
    "methods",
    "model_settings",
    "option",
    "register_method",
    "settings_of",
    "state",
    "stream_settings",
]
