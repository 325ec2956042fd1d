"""Jobs of a command or a script: files in, files and reports out."""
