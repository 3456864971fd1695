"""The source of the kernel, which numba compiles; imported only to build it (`decoders/kernel.py`)."""
