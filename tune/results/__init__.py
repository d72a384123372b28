"""What came of a sweep, and telling people while it runs and after; decides nothing."""
