"""Which settings a trial gets, and which trials are stopped early; does not run them."""
