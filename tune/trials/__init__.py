"""Trials at work under Ray Tune; does not decide what they are."""
