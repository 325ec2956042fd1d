"""Renew the figures and pictures of docs/gallery.md.

    python demos/gallery/update_page.py             # of all scripts
    python demos/gallery/update_page.py topics      # of some

What a script prints goes between ``<!-- gallery:NAME -->`` and ``<!-- end -->``, its picture to
docs/gallery/NAME.png.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "gallery.md"


def main() -> None:
    """Run the scripts one after the other."""
    text = PAGE.read_text(encoding="utf-8")
    every = re.findall(r"<!-- gallery:(\w+) -->", text)
    parser = argparse.ArgumentParser(description="Renew the figures and pictures of docs/gallery.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"scripts; default: all, {', '.join(every)}")
    for name in parser.parse_args().names or every:
        picture = PAGE.parent / "gallery" / f"{name}.png"
        command = [sys.executable, str(HERE / f"{name}.py"), "-o", str(picture)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        block = "".join(f"    {line}\n" for line in printed.splitlines())
        start, end = f"<!-- gallery:{name} -->\n", "<!-- end -->"
        before, rest = text.split(start)
        text = f"{before}{start}\n{block}\n{end}{rest.split(end, 1)[1]}"
        print(name)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
