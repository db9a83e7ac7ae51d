"""All that asks the machine: memory, disk, devices, the allocator, signals, threads."""

from ctrkit.machine.allocator import freed_memory_kept
from ctrkit.machine.blas import one_blas_thread
from ctrkit.machine.devices import choose_device, chunk_rows, full_rate, single_threads
from ctrkit.machine.huge_pages import on_huge_pages
from ctrkit.machine.memory import free_memory, memory_bytes, read_stretches, release_pages
from ctrkit.machine.out_of_memory import memory_errors
from ctrkit.machine.signals import Interrupted, Interruption
from ctrkit.machine.space import address_limit, check_disk, check_memory
from ctrkit.machine.workers import Workers, default_workers
