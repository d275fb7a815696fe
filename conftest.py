import os

# What the tests need, they set themselves, before NumPy is imported; kernels and processes inherit it.
os.environ["TQDM_DISABLE"] = "1"  # a progress bar would be output that changes
os.environ.setdefault("PYTHONHASHSEED", "0")
for library in ("OPENBLAS_NUM", "MKL_NUM", "OMP_NUM", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{library}_THREADS", "1")  # fastest at the sizes of the book


def pytest_terminal_summary(terminalreporter):
    """Print the coverage, and what tests have measured: record_property("shown", "...")."""
    from evidence import summary

    terminalreporter.section("what is verified")
    terminalreporter.line(summary())
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "shown":
                terminalreporter.line(value)
