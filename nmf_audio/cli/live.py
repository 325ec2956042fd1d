"""The command ``nmf-audio live``: from the microphone to the headphones."""

import argparse
import gc
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, keys, live_status, settings
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError

if TYPE_CHECKING:
    from nmf_audio.live import LiveDenoiser

EPILOG = """examples:
  nmf-audio live --list-devices
  nmf-audio live --input usb --output headphones
  nmf-audio live --seconds 60 --record heard.wav

While it runs: the space bar switches between before and after, q or Ctrl-C ends it. Wear headphones: a microphone
that hears the loudspeaker howls. Needs: pip install sounddevice

exit codes: 0 ended by you or by --seconds; 1 a device failed, or the recording is incomplete; 2 names or options are
wrong, or a package is missing"""

RANGES: dict[str, Range] = {
    "rate": (int, 1, math.inf),
    "block-size": (int, 1, math.inf),
    "input-channels": (int, 1, math.inf),
}
WAIT_SECONDS = 0.05
SHOW_SECONDS = 0.2


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio live``."""
    parser = subparsers.add_parser(
        "live",
        help="denoise what a microphone hears (needs sounddevice)",
        description="Denoise what a microphone hears, for headphones.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    devices = parser.add_argument_group("devices")
    devices.add_argument("--list-devices", action="store_true", help="list the devices and exit")
    for kind, what in (("input", "microphone"), ("output", "headphones")):
        devices.add_argument(
            f"--{kind}",
            metavar="DEVICE",
            help=f"{what}: a number of --list-devices, or part of the name (default: the system's own choice)",
        )
    devices.add_argument(
        "--input-channels",
        metavar="N",
        default="1",
        help="channels of the microphone; one is played on both sides (default: %(default)s)",
    )
    devices.add_argument("--rate", metavar="HZ", help="sample rate (default: that of the microphone)")
    devices.add_argument(
        "--block-size", metavar="N", help="samples a block (default: half a frame, 16 ms: the steadiest load)"
    )
    devices.add_argument(
        "--latency",
        metavar="low|high|MS",
        default=defaults.DEFAULT_LIVE_LATENCY,
        help="delay of the devices' buffers, in ms; the longer, the fewer drop-outs (default: %(default)s)",
    )
    run = parser.add_argument_group("run")
    run.add_argument(
        "--seconds",
        metavar="TIME",
        help="stop after that long, in seconds, m:s or h:m:s (default: at q or Ctrl-C)",
    )
    run.add_argument(
        "--record", metavar="FILE", type=Path, help="write what is played to a file (default: not written)"
    )
    run.add_argument("-f", "--force", action="store_true", help="replace a recording that exists")
    sound = parser.add_argument_group("sound")
    settings.add_sound_arguments(sound)
    sound.add_argument(
        "--noise",
        metavar="FILE",
        type=Path,
        help="a second or more of the noise alone, learned first, as loud as through the microphone "
        "(default: learned while denoising)",
    )
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Denoise live, or list the devices; return the exit code, 1 if the recording is incomplete."""
    common.use_one_thread()
    if args.list_devices:
        return _list(args)
    live, seconds = _prepare(args)
    if args.verbosity >= 1:
        common.report_error(args, "warning: wear headphones; a microphone that hears the loudspeaker howls")
    common.print_message(
        args, f"from {live.input} to {live.output}, {live.sr} Hz; space: before/after, q: end"
    )
    # a collection halts the callback too: what is loaded by now is never garbage
    gc.collect()
    gc.freeze()
    is_open = False
    try:
        with live:
            is_open = True
            _attend(args, live, seconds)
    finally:
        gc.unfreeze()
        lacks = is_open and live_status.print_summary(args, live.status())
    return common.EXIT_ERROR if lacks else common.EXIT_DONE


def _attend(args: argparse.Namespace, live: "LiveDenoiser", seconds: float) -> None:
    """Show the status and take keys, until the end."""
    shown = -math.inf
    try:
        with keys.pressed() as read_keys, live_status.status_line(args) as show:
            while True:
                status = live.wait(WAIT_SECONDS)
                typed = read_keys().lower() if read_keys is not None else ""
                if typed.count(" ") % 2:
                    live.bypass = not live.bypass
                if "q" in typed or status.seconds >= seconds:
                    return
                if show is not None and (typed or status.seconds >= shown + SHOW_SECONDS):
                    show(live.status())
                    shown = status.seconds
    except KeyboardInterrupt:
        # this is how it is meant to end
        return


def _prepare(args: argparse.Namespace) -> "tuple[LiveDenoiser, float]":
    """Return the session that the options ask for, and how long it lasts."""
    from nmf_audio.io.atomic import check_target
    from nmf_audio.live import LiveDenoiser

    errors: list[str] = []
    numbers = read_numbers(args, RANGES, errors)
    seconds = settings.read_time(args, "seconds", errors)
    denoiser = settings.make_denoiser(args, errors)
    settings.check_noise(args, errors)
    if args.record is not None:
        with common.collecting(errors):
            check_target(
                args.record, sources=[args.noise] if args.noise is not None else [], force=args.force
            )
    sounddevice = _load(errors)
    if sounddevice is not None:
        _check_names(args, sounddevice, errors)
    if errors or denoiser is None:
        raise common.UsageError(errors)
    try:
        live = LiveDenoiser(
            denoiser,
            input=args.input,
            output=args.output,
            sr=int(numbers["rate"]) if "rate" in numbers else None,
            n_channels=int(numbers["input-channels"]),
            block_size=int(numbers["block-size"]) if "block-size" in numbers else None,
            latency_ms=_latency(args.latency),
            noise=args.noise,
            record=args.record,
            force=args.force,
            sounddevice=sounddevice,
        )
    except ParameterError as error:
        described = common.describe_argument(error, n_channels="--input-channels")
        raise common.UsageError([described]) from error
    return live, math.inf if seconds is None else seconds


def _load(errors: list[str]) -> Any:
    """Return the module of the devices; add to `errors` that it is missing."""
    from nmf_audio.live import load_sounddevice

    with common.collecting(errors):
        return load_sounddevice()
    return None


def _check_names(args: argparse.Namespace, sounddevice: Any, errors: list[str]) -> None:
    """Add to `errors` names that fit no device, or several."""
    from nmf_audio.live import find_device, list_devices

    devices = list_devices(sounddevice)
    with common.collecting(errors):
        find_device(devices, "input", args.input)
    with common.collecting(errors):
        find_device(devices, "output", args.output)


def _latency(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        # refused, if it is no word either, by the session that knows what is allowed
        return text


def _list(args: argparse.Namespace) -> int:
    from nmf_audio.live import list_devices

    errors: list[str] = []
    sounddevice = _load(errors)
    if errors:
        raise common.UsageError(errors)
    devices = list_devices(sounddevice)
    if not devices:
        common.write_line("there are no audio devices", sys.stdout)
    for device in devices:
        uses = [
            f"{n} {'channel' if n == 1 else 'channels'} {direction}{' (default)' if is_default else ''}"
            for n, direction, is_default in (
                (device.n_inputs, "in", device.is_default_input),
                (device.n_outputs, "out", device.is_default_output),
            )
            if n
        ]
        common.write_line(
            f"{device.number:3} {device.name} ({device.host}): {', '.join(uses)}, {device.sr} Hz", sys.stdout
        )
    return common.EXIT_DONE
