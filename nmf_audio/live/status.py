"""The status of a live session."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LiveStatus"]


@dataclass(frozen=True)
class LiveStatus:
    """Status of a live session at one moment.

    Parameters
    ----------
    seconds : float
        Sound that came in so far.
    bypass : bool
        Whether the input is played rather than its speech.
    device_latency_ms, stream_latency_ms : float
        Delay of the devices as they state it (both directions), and of the denoiser: one frame.
    work_seconds : float
        Processing time so far.
    worst_load : float
        The largest share of its own duration that a block took; a block that takes more than 1 comes late.
    n_blocks : int
        Blocks so far.
    n_dropouts : int
        Blocks for which the device reported that sound was lost or was missing, or that came after a gap.
    n_input_overflow, n_input_underflow, n_output_overflow, n_output_underflow : int
        What the device reported; a block may count for several.
    n_gaps : int
        Blocks before which nothing came for longer than the devices' buffers hold. Not every device reports that.
    n_late : int
        Blocks that took longer than they last.
    input_db, output_db : float
        Level of the last half second or so: 10 log10 of the mean square. Minus infinity for silence.
    recorded_seconds, unrecorded_seconds : float
        Sound that was recorded, and sound that was lost because the disk was too slow or the file full.
    """

    seconds: float
    bypass: bool
    device_latency_ms: float
    stream_latency_ms: float
    work_seconds: float
    worst_load: float
    n_blocks: int
    n_dropouts: int
    n_input_overflow: int
    n_input_underflow: int
    n_output_overflow: int
    n_output_underflow: int
    n_gaps: int
    n_late: int
    input_db: float
    output_db: float
    recorded_seconds: float = 0.0
    unrecorded_seconds: float = 0.0

    @property
    def latency_ms(self) -> float:
        """Delay from the microphone to the headphones."""
        return self.device_latency_ms + self.stream_latency_ms

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of work: above 1 is faster than real time."""
        return self.seconds / max(self.work_seconds, 1e-9)

    @property
    def worst_real_time_factor(self) -> float:
        """The same for the block that took longest."""
        return 1 / max(self.worst_load, 1e-9)
