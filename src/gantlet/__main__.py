"""`python -m gantlet`."""

import sys

from gantlet.cli import main

sys.exit(main())
