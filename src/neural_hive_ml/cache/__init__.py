"""Feature rows kept for a while: in Redis between replicas, in memory within one; losing it costs speed only."""
