"""``python -m nmf_audio``: the command ``nmf-audio``."""

import sys

from nmf_audio.cli.start import nmf_audio

if __name__ == "__main__":
    sys.exit(nmf_audio())
