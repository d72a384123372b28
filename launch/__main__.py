"""`python -m launch` is `histosyn`: how the processes of `--processes` are started."""

from launch.cli import main

if __name__ == "__main__":
    main()
