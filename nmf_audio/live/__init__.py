"""Live: from the microphone to the headphones, block by block.

The module ``sounddevice`` is loaded when devices are first asked for, never before.
"""

from nmf_audio.live.devices import Device, find_device, list_devices, load_sounddevice
from nmf_audio.live.session import LiveDenoiser
from nmf_audio.live.status import LiveStatus

__all__ = ["Device", "LiveDenoiser", "LiveStatus", "find_device", "list_devices", "load_sounddevice"]
