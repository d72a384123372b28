"""The measures of an objective at work, on a trial's tiles; does not know who asks."""
