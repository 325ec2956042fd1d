"""Reading and writing recordings: files, pipes, media files, their headers and tags."""
