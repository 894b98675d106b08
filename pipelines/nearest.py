"""What to say of a word that is not known: the known words that come nearest."""

import difflib
from collections.abc import Iterable

_MOST = 20  # Words that a message names.


def nearest(word: str, known: Iterable[str], quoted: bool = False) -> str:
    """The end of an error message about an unknown word.

    Args:
      word: as it was written.
      known: the words that would have been right.
      quoted: whether they stand in quotes, as names of somebody's own should, which may hold commas and blanks.

    Returns:
      "; nearest: a, b" with up to four similar words, or "; expected one of ..." where nothing is similar, with twenty
      words and how many more there are.

    Example:
      >>> nearest("floder", ["folder", "table"])
      '; nearest: folder'
      >>> nearest("xyz", ["folder", "table"])
      '; expected one of folder, table'
    """
    known = list(known)
    close = difflib.get_close_matches(word, known, n=4, cutoff=0.5)
    words = ", ".join(repr(name) if quoted else name for name in close or known[:_MOST])
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    return f"; nearest: {words}" if close else f"; expected one of {words}{more}"
