"""Rooms with one object in them, drawn by arithmetic: images whose every cause is known.

`factors.py` says which scene has which number, `room.py` and `things.py` draw it, `rendering.py` draws many alike.
"""
