"""The command `eduflow`: what goes wrong while everything is imported ends in one line, too."""

from __future__ import annotations

import configparser
import gc
import sys


def main() -> int:
    # What is imported is never garbage: the collector would look at it many times, the last time when all is done.
    gc.disable()
    try:
        from pipeline.cli import main as verb
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except (configparser.Error, UnicodeDecodeError):  # Luigi reads it when it is imported; nothing of it is quoted
        print("luigi.cfg, here or in /etc/luigi, is no configuration file that can be read.", file=sys.stderr)
        return 1
    gc.freeze()
    gc.enable()
    code = verb()
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
