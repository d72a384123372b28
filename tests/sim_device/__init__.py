"""A simulated accelerator: a device "sim" whose memory is the CPU's and which a host never sees.

What runs on it comes to the CPU's numbers. Operations that mix host and device tensors are refused,
as a GPU refuses them. Counted are operations, those of them that would start a kernel, and the
times at which a host would have had to wait for the device, by place in the code.

    with Sim() as sim:
        network.to(SIM)
        with sim.counting() as tally:
            network(torch.zeros(1, 3, 64, 64, device=SIM))
    print(tally.operations, tally.kernels, tally.waits)

Autocast goes by the lists of operations of a CUDA device. What cannot be seen here: streams, races,
kernels that are missing or slow, the rounding of a real GPU.
"""

from sim_device.tally import Tally
from sim_device.tensors import SIM, Sim

__all__ = ["SIM", "Sim", "Tally"]
