"""Tags that libsndfile does not carry over."""
