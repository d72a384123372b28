"""Are synthetic tiles copies of training tiles? Knows no generator."""
