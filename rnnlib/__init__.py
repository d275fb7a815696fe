"""Recurrent networks and backpropagation through time in NumPy, written to be read.

`figures` needs matplotlib and `symbolic` needs SymPy; everything else needs only NumPy and tqdm.
"""

__all__ = [
    "cells",
    "checks",
    "figures",
    "gradcheck",
    "initialize",
    "network",
    "optimize",
    "params",
    "readout",
    "recurrence",
    "rtrl",
    "shapes",
    "symbolic",
    "tasks",
    "train",
]
