"""What a command or a script asks for: files in, files and reports out."""
