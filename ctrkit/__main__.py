"""``python -m ctrkit`` is the command ``ctrkit``."""

import sys

from ctrkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
