"""`python -m gantlet`."""

import sys

from gantlet.cli import main

if __name__ == "__main__":
    sys.exit(main())
