"""Tests of the room `restoration`."""
