"""Points and parts of time as people write them."""

import re

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")


def parse_time(text: str) -> float:
    """Read a point of time.

    Parameters
    ----------
    text : str
        Seconds, m:s or h:m:s; seconds may have decimals.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_time("2.5"), parse_time("1:30"), parse_time("1:00:00.5")
    (2.5, 90.0, 3600.5)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text}; seconds, m:s or h:m:s are needed")
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def parse_section(text: str) -> tuple[float, float]:
    """Read a part of a recording.

    Parameters
    ----------
    text : str
        ``START-END``, each as `parse_time` takes it, or ``START:END`` in seconds.

    Returns
    -------
    tuple of float
        Start and end in seconds.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> parse_section("0:2.5"), parse_section("1:58-2:01.5")
    ((0.0, 2.5), (118.0, 121.5))
    """
    separator = "-" if "-" in text else ":"
    parts = text.split(separator)
    if len(parts) != 2:
        raise ValueError(f"{text}; START:END in seconds, or START-END with each as seconds or m:s, is needed")
    return parse_time(parts[0]), parse_time(parts[1])
