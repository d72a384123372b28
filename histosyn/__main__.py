"""`python -m histosyn`, and so `torchrun -m histosyn`, is the command `histosyn`."""

from runpy import run_module

if __name__ == "__main__":
    # By name, as the table of commands has its modules: this floor knows none above it.
    run_module("launch", run_name="__main__", alter_sys=True)
