"""The two windowed primitives, select and sum, each beside its derivative and batching rules."""
