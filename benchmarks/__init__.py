"""Benchmarks: quality on real tickets, speed against a peer in the same run. Ids are permanent."""
