"""Recurrent networks and backpropagation through time in NumPy, written to be read.

Import a module by name: `from rnnlib import network`. `symbolic` needs SymPy, `interactive` needs Pillow and
a Matplotlib figure, `jacobians` needs SciPy; everything else needs only NumPy and tqdm.
"""

__all__ = [
    "cells",
    "checkpoint",
    "checks",
    "exchange",
    "figures",
    "files",
    "gradcheck",
    "initialize",
    "interactive",
    "jacobians",
    "kernels",
    "linear",
    "network",
    "optimize",
    "params",
    "readout",
    "recurrence",
    "regularize",
    "rtrl",
    "shapes",
    "symbolic",
    "tasks",
    "train",
    "truncation",
]
