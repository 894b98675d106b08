"""Expressions: symbols, the operators between them, and brackets.

    expression = operand {operator operand}        operand = phrase | "(" expression ")"

All operators bind alike and are applied from left to right, as people work through a list of changes: `a AND b IGNORE
c` is `(a AND b) IGNORE c`. Brackets say it otherwise. AND is written in capitals, because a small "and" joins words of
one phrase; the other two may be written in any case. What a phrase means is none of this file's business.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping

from ..errors import UserError

OPERATORS = ("AND", "IN COMMON", "IGNORE")

# Words, operators and brackets of an expression.
_MOST = 200
_SHOWN = 24  # Characters that an error shows of what is around its place.


@dataclasses.dataclass(frozen=True)
class Composed:
    """Two expressions and the operator between them.

    Attributes:
      first, second: symbols {attribute: value}, or compositions.
      operator: of OPERATORS.

    Example:
      >>> Composed({"wall": "white"}, "AND", {"object": "hat"}).operator
      'AND'
    """

    first: "Mapping[str, str] | Composed"
    operator: str
    second: "Mapping[str, str] | Composed"


Expression = Mapping[str, str] | Composed


def parse(text: str, read: Callable[[str], Mapping[str, str]], literal: Iterable[str] = ()) -> Expression:
    """An expression as a tree; every step is taken from left to right, so its depth is bounded by `text` alone.

    Args:
      text: "(white wall AND red hat) IGNORE red hat".
      read: a phrase to its symbol; raises UserError.
      literal: names in which brackets or operators are part of the name.

    Returns:
      A symbol, or the composition applied last.

    Raises:
      UserError: as `read`, with the place; a bracket that is not closed, an operator with nothing beside it, more than
        200 words.
    """
    tokens = _tokens(text, literal)
    count = sum(1 if kind else len(part.split()) for _, kind, part in tokens)
    if count > _MOST:
        raise UserError(f"the expression has {count} words; expected at most {_MOST}")
    if [kind for _, kind, _ in tokens] in ([], [""]):
        return read(text)

    opened: list[tuple] = []  # Of every open bracket: what stands before it, the operator between, its place.
    left: Expression | None = None
    operator, at = "", 0
    for place, kind, part in tokens:
        if kind == "operator":
            if operator:
                raise _wrong(text, place, f"{part} follows {operator}; expected words between them")
            if left is None:
                raise _wrong(text, place, f"{part} has nothing before it")
            operator, at = part, place
            continue
        if kind == ")":
            if not opened:
                raise _wrong(text, place, "this bracket closes none; expected '(' before it")
            if left is None:
                raise _wrong(text, place, "nothing stands between the brackets")
            if operator:
                raise _wrong(text, at, f"{operator} has nothing behind it")
            value = left
            left, operator, _ = opened.pop()
        elif left is not None and not operator:
            raise _wrong(text, place, f"expected {', '.join(OPERATORS[:-1])} or {OPERATORS[-1]} before this")
        elif kind == "(":
            opened.append((left, operator, place))
            left, operator = None, ""
            continue
        else:
            value = _read(text, place, part, read)
        left = Composed(left, operator, value) if left is not None else value
        operator = ""
    if operator:
        raise _wrong(text, at, f"{operator} has nothing behind it")
    if opened:
        raise _wrong(text, opened[-1][-1], "this bracket is not closed; expected ')' behind it")
    assert left is not None
    return left


def text_of(expression: Expression, phrase: Callable[[Mapping[str, str]], str]) -> str:
    """What `parse` reads as this expression, with no more brackets than it takes.

    Args:
      expression: a symbol or a composition.
      phrase: a symbol in words.

    Example:
      >>> tree = Composed({"a": "b"}, "IGNORE", Composed({"c": "d"}, "AND", {"e": "f"}))
      >>> text_of(tree, lambda symbol: "".join(symbol.values()))
      'b IGNORE (d AND f)'
    """
    if not isinstance(expression, Composed):
        return phrase(expression)
    second = text_of(expression.second, phrase)
    second = f"({second})" if isinstance(expression.second, Composed) else second
    return f"{text_of(expression.first, phrase)} {expression.operator} {second}"


def folded(expression: Expression, of_symbol: Callable, of_two: Callable):
    """An expression worked out from its symbols up.

    Args:
      expression: a symbol or a composition.
      of_symbol: symbol -> value.
      of_two: (value, operator, value) -> value.

    Returns:
      The value of the whole.

    Example:
      >>> folded(Composed({"a": "b"}, "AND", {"c": "d"}), len, lambda one, _, other: one + other)
      2
    """
    if not isinstance(expression, Composed):
        return of_symbol(expression)
    first, second = (folded(side, of_symbol, of_two) for side in (expression.first, expression.second))
    return of_two(first, expression.operator, second)


def _tokens(text: str, literal: Iterable[str]) -> list[tuple[int, str, str]]:
    """(place, kind, text) of brackets ("(", ")"), operators ("operator") and phrases ("")."""
    names = "|".join(re.escape(name) for name in sorted(literal, key=len, reverse=True))
    beside = r"(?![^\s()])"
    known = [rf"(?P<name>(?i:{names})){beside}"] if names else []
    operators = rf"(?P<operator>AND|(?i:IN\s+COMMON)|(?i:IGNORE)){beside}"
    pattern = "|".join([*known, r"(?P<bracket>[()])", rf"(?<![^\s()]){operators}"])
    found: list[tuple[int, str, str]] = []
    end = 0

    def phrase(until: int) -> None:
        part = text[end:until]
        if part.strip():
            found.append((end + len(part) - len(part.lstrip()), "", part.strip()))

    for match in re.finditer(pattern, text):
        if match.lastgroup == "name":
            continue
        phrase(match.start())
        part, end = match.group(), match.end()
        kind = "operator" if match.lastgroup == "operator" else part
        found.append((match.start(), kind, " ".join(part.upper().split())))
    phrase(len(text))
    return found


def _read(text: str, place: int, part: str, read: Callable[[str], Mapping[str, str]]) -> Mapping[str, str]:
    try:
        return read(part)
    except UserError as error:
        raise UserError(f"at character {place + 1}: {error}") from None


def _wrong(text: str, place: int, message: str) -> UserError:
    shown = text[place : place + _SHOWN] + ("..." if len(text) > place + _SHOWN else "")
    return UserError(f"at character {place + 1}, '{shown}': {message}")
