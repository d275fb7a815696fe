"""Run the notebooks and the recorded runs with the arithmetic of other processors: they must not change.

    python tools/processors.py            # every arithmetic that this processor can imitate
    python tools/processors.py avx2       # those with this word in their name

NumPy is told to leave out vector instructions, and OpenBLAS to take the kernels of an older processor or to
share its work among threads: sums are added up in another order, and tanh and exp differ in their last digit.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["chapters", "tests/test_recorded_runs.py"]
KERNELS = {  # a processor of its time: OpenBLAS's name for it, and what marks the instructions it lacks
    "x86 with avx2, as of 2013": ("Haswell", ("512", "X86_V4")),
    "x86 without avx2, as of 2008": ("Nehalem", ("512", "X86_V4", "AVX", "FMA", "F16C", "X86_V3")),
    "x86 without avx2, as of 2004": ("Prescott", ("512", "X86_V4", "AVX", "FMA", "F16C", "X86_V3")),
}


def arithmetics():
    """Return the environment variables of every arithmetic, by its name."""
    found = {f"{count} threads of BLAS": {"OPENBLAS_NUM_THREADS": str(count)} for count in (2, 4)}
    if platform.machine().lower() in ("x86_64", "amd64"):
        compiled = np._core._multiarray_umath
        present = [name for name in compiled.__cpu_dispatch__ if compiled.__cpu_features__.get(name)]
        for name, (core, marks) in KERNELS.items():
            without = " ".join(feature for feature in present if any(mark in feature for mark in marks))
            found[name] = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": without}
    return found


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = {name: made for name, made in arithmetics().items() if all(word in name for word in words)}
    failed = []
    for name, variables in chosen.items():
        print(f"== {name}: {variables}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *TESTS]
        if subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode:
            failed.append(name)
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed) or not chosen)
