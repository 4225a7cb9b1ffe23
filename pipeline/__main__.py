"""python -m pipeline VERB: the same as `eduflow VERB`."""

import sys

from eduflow import main

if __name__ == "__main__":
    sys.exit(main())
