"""Connecting to Ray, or starting it; not what runs there."""
