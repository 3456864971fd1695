"""GB/T 32960.3: what electric vehicles must send in China, in the editions of 2016 and 2025."""
