"""``python -m nmf_audio``: the command ``nmf-audio``."""

import os
import sys

import nmf_audio

if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    # Python, started so, looks for modules among the recordings first
    here = sys.path.pop(0)
    if nmf_audio.__path__[0] == os.path.join(here, "nmf_audio"):  # noqa: PTH118
        sys.path.append(here)

from nmf_audio.cli.start import nmf_audio as run

if __name__ == "__main__":
    sys.exit(run())
