"""``python -m nmf_audio``: the command ``nmf-audio``."""

import sys

from nmf_audio.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
