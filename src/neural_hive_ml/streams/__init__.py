"""Streams of events: at least once, committed after the work is done, hopeless messages kept aside with the reason."""
