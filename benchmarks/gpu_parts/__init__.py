"""What benchmarks/gpu.py measures, part by part. It knows nothing of how parts are run."""
