"""Tests of the benchmarks' harness, so that it can't rot."""
