"""Any mixture, taken apart: streams with named sources, and what learns them from the mixture itself."""
