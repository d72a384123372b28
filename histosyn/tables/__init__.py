"""Tables that people bring, read by one set of rules. Knows not what their columns mean."""
