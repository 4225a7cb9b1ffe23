"""The datasets, one file each: what is said of a dataset in `<name>.py` is said nowhere else.

A file here that declares `DATASET` is found by itself. Datasets come in the order of their names.
"""

from importlib import import_module
from pkgutil import iter_modules

from pipeline.datasets.declaration import Dataset

_FILES = sorted(module.name for module in iter_modules(__path__) if module.name not in ("declaration", "__main__"))
DATASETS: dict[str, Dataset] = {name: import_module(f"{__name__}.{name}").DATASET for name in _FILES}
