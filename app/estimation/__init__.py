"""Pure numpy: samples in, day rows and needs out. No I/O, clock or logger; policy and time are arguments."""
