"""Media files, such as m4a and mp4: their sound is read and replaced, all else is copied. Needs PyAV."""
