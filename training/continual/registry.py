"""The methods of continual learning by name: those of the package and those registered from outside."""

import dataclasses
import re
from typing import TypeVar

from ...errors import UserError
from .buffer import Buffer
from .ewc import EWC
from .generative import Generative
from .generative_classifier import GenerativeClassifier
from .guided import Guided
from .joint import Joint, JointIID
from .lwf import LwF
from .method import Method
from .nearest_mean import NearestMean
from .online_ewc import OnlineEWC
from .options import ContinualSettings, Options
from .rff import RFF
from .si import SI
from .slda import SLDA
from .xdg import XdG

_METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Joint,
        JointIID,
        EWC,
        OnlineEWC,
        SI,
        XdG,
        LwF,
        Generative,
        Guided,
        Buffer,
        NearestMean,
        SLDA,
        RFF,
        GenerativeClassifier,
    )
}
_Registered = TypeVar("_Registered", bound=type[Method])


def methods() -> dict[str, type[Method]]:
    """Name -> method, in the order in which they were registered.

    Example:
      >>> methods()["buffer"].recipe
      'er'
    """
    return dict(_METHODS)


def register_method(method: _Registered) -> _Registered:
    """Makes a method known by its name, in `continual.methods`, and by its recipe.

    Registering a class of the same module and name again replaces it, so that a notebook's cell can be run twice.

    Args:
      method: a subclass of `Method`.

    Returns:
      The class itself, so that this may stand above it as a decorator.

    Raises:
      UserError: no subclass of `Method`, a name or recipe that cannot be used or is taken, hooks without the fact
        that they need, options that are no frozen dataclass or that another method has with another default.

    Example:
      @register_method
      class Decay(Method):
          name, summary, penalizes = "decay", "keeps weights small", True
          ...
    """
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise UserError(f"register_method got {method!r:.80}; expected a subclass of reverie.Method")
    others = {name: other for name, other in _METHODS.items() if _origin(other) != _origin(method)}
    recipe = method.recipe or method.name
    for what, value in (("name", method.name), ("recipe", recipe)):
        if not isinstance(value, str) or not re.fullmatch("[a-z_]+", value):
            raise UserError(f"{method.__name__}.{what} is '{value}'; expected small letters and underscores")
    if method.name in others:
        raise UserError(f"{method.__name__}.name is '{method.name}', which is taken by {_origin(others[method.name])}")
    if recipe in {"none", "bir", *(other.recipe or other.name for other in others.values())}:
        raise UserError(f"{method.__name__}.recipe is '{recipe}', which is taken")
    for hook, fact in (("rows", "rehearses"), ("extra_loss", "penalizes"), ("losses", "separate")):
        if (getattr(method, hook) is not getattr(Method, hook)) != getattr(method, fact):
            raise UserError(
                f"{method.__name__}.{fact} is {getattr(method, fact)}; it must say whether the class has {hook}"
            )
    if (method.take_in is Method.take_in) != method.gradient:
        raise UserError(
            f"{method.__name__}.gradient is {method.gradient}; it must be False where the class has take_in, else True"
        )
    _check_options(method, others)
    for name in [name for name, other in _METHODS.items() if name not in others]:
        del _METHODS[name]
    _METHODS[method.name] = method
    return method


def _origin(method: type[Method]) -> str:
    return f"{method.__module__}.{method.__qualname__}"


def _check_options(method: type[Method], others: dict[str, type[Method]]) -> None:
    options = method.options
    if not (issubclass(options, Options) and "__dataclass_params__" in vars(options)):
        raise UserError(f"{method.__name__}.options is {options}; expected a frozen dataclass, a subclass of Options")
    general = {field.name for field in dataclasses.fields(ContinualSettings)}
    taken = {}
    for other in others.values():
        taken |= {field.name: field.default for field in dataclasses.fields(other.options)}
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING:
            raise UserError(f"{options.__name__}.{field.name} has no default; give it one")
        if field.name in general:
            raise UserError(f"{options.__name__}.{field.name} is a setting of all methods; choose another name")
        if taken.get(field.name, field.default) != field.default:
            raise UserError(
                f"{options.__name__}.{field.name} is {field.default} by default, but {taken[field.name]} in another "
                "method; choose another name or the same default"
            )
    if method.strength and method.strength not in {field.name for field in dataclasses.fields(options)}:
        raise UserError(f"{method.__name__}.strength is '{method.strength}'; expected one of its options")
