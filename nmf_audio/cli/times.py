"""Times and sections of time, as they are written in options."""

import re

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")


def parse_time(text: str) -> float:
    """Return the seconds of a time: seconds, which may have decimals, m:s or h:m:s; `ValueError` for other text.

    Examples
    --------
    >>> parse_time("2.5"), parse_time("1:30"), parse_time("1:00:00.5")
    (2.5, 90.0, 3600.5)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text}: must be a time in seconds, m:s or h:m:s")
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def parse_section(text: str) -> tuple[float, float]:
    """Return start and end in seconds of ``START-END``, each as `parse_time` takes it; `ValueError` for other text.

    Examples
    --------
    >>> parse_section("0-2.5"), parse_section("1:58-2:01.5")
    ((0.0, 2.5), (118.0, 121.5))
    """
    parts = text.split("-")
    if len(parts) != 2:
        raise ValueError(
            f"{text}: must be START-END, each in seconds, m:s or h:m:s, such as 0-2.5 or 1:58-2:01.5"
        )
    return parse_time(parts[0]), parse_time(parts[1])


def format_time(seconds: float) -> str:
    """Return a duration as h:m:s.

    Examples
    --------
    >>> format_time(83.4), format_time(36000)
    ('0:01:23', '10:00:00')
    """
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
