"""The datasets, one file each: what is said of a dataset in `<name>.py` is said nowhere else.

A file here that declares `DATASET` is found by itself. Datasets come in the order of their names.
"""

from importlib import import_module
from pkgutil import iter_modules

from pipeline.datasets.declaration import Dataset

_FILES = sorted(module.name for module in iter_modules(__path__) if module.name != "declaration")
DATASETS: dict[str, Dataset] = {name: import_module(f"{__name__}.{name}").DATASET for name in _FILES}
# What a record is called: student, event, city -> its key. Of a key of several columns there is none.
KINDS = {dataset.key.rpartition("_")[0]: dataset.key for dataset in DATASETS.values() if len(dataset.keys) == 1}
