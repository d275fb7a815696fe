import os

os.environ["TQDM_DISABLE"] = "1"  # kernels inherit it: a progress bar would be output that changes
