"""How fast the pools are: `python -m benchmarks` measures, `python -m benchmarks.platforms` compiles."""
