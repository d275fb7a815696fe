import os

os.environ["TQDM_DISABLE"] = "1"  # kernels inherit it: a progress bar would be output that changes


def pytest_terminal_summary(terminalreporter):
    """Print the coverage, and what tests have measured: record_property("shown", "...")."""
    from evidence import summary

    terminalreporter.section("what is verified")
    terminalreporter.line(summary())
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "shown":
                terminalreporter.line(value)
