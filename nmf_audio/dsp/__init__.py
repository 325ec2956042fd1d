"""Signal processing: waveforms to spectra and bands, gains, and back."""
