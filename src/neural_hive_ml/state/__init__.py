"""Operational state: the records that services and jobs leave for one another, behind one port."""
