"""`python -m reverie` is the same command as `reverie`."""

from .cli import console

console()
