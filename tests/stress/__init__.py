"""Commands that look for failures at random, for as long as one likes: see docs/reliability.md."""
