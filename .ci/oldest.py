"""Print the oldest versions that pyproject.toml allows, for pip: of what is installed, and of what tests need."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
tools = [
    one for one in extras["dev"] if one.split(">")[0] in ("pytest", "hypothesis", "scikit-learn", "librosa")
]
for requirement in (*project["dependencies"], *extras["media"], *extras["plot"], *tools):
    sys.stdout.write(re.sub(r"\[.*?\]", "", requirement).replace(">=", "==") + "\n")
