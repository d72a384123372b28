"""What a sweep is, and what lies in its folders; starts and measures nothing."""
